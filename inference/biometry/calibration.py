"""How far each way of measuring is off, and how their errors go together: ``biometry.json`` beside the weights.

``feta-train assess calibrate`` makes it on cohorts whose lengths are known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.measurements import MEASUREMENTS
from inference.biometry.volume_regression import Regression

NAME = "biometry.json"
VERSION = 1
#: What describes a folder of weights, and its networks that lengths depend on.
MODEL, NETWORKS = "model.yaml", ("locator", "segmentation", "extraction", "landmarks")
#: What errors are without a calibration: relative standard deviations of geometry, regression, heatmaps; and how often
#: a source is wrong instead, which is to say off by so many times that.
USUAL_ERRORS, USUALLY_WRONG, WRONG_SPREAD = (0.05, 0.08, 0.04), 0.05, 5.0
Array = npt.NDArray[np.float64]


class LengthSource(StrEnum):
    """A way of measuring a length on an image."""

    GEOMETRY = "geometry"
    REGRESSION = "regression"
    HEATMAP = "heatmap"


SOURCES: tuple[LengthSource, ...] = tuple(LengthSource)


@dataclass(frozen=True)
class Calibration:
    """Errors of ln(mm), by measurement (5) and source (3), in the order of MEASUREMENTS and SOURCES.

    Attributes:
        bias: (5, 3) mean error, to be taken off.
        sd: (5, 3) of the errors that are left, in an image of usual clarity, where the source isn't wrong.
        wrong: (5, 3) how often it is wrong: its errors are then ``WRONG_SPREAD`` times as great.
        correlation: (5, 3, 3) of those.
        blur: (5,) how unsure the heatmaps usually are: their standard deviation of a length against it.
        exponent: (3,) errors grow with the heatmaps' unsureness, to this power.
        regression: None where there is none.
        cases: what it was fitted on; 0 for a calibration that is assumed.
        weights: of which it tells the errors, as ``networks_digest`` gives it; "" where that was not written down.
    """

    bias: Array
    sd: Array
    wrong: Array
    correlation: Array
    blur: Array
    exponent: Array
    regression: Regression | None
    cases: int
    weights: str = ""

    def covariance(self, measurement: int, sources: Sequence[int], blur: float | None) -> Array:
        """(N, N) of the errors of N sources of a measurement.

        Args:
            measurement: which of the five.
            sources: which of the three.
            blur: as the attribute, of this image; None where there are no heatmaps.
        """
        chosen = list(sources)
        ratio = 1.0 if blur is None else max(blur, 1e-4) / float(self.blur[measurement])
        # No image is so clear, none so blurred, that the trend seen in a cohort still tells.
        sd = self.sd[measurement, chosen] * np.clip(ratio ** self.exponent[chosen], 0.7, 5.0)
        return np.asarray(self.correlation[measurement][np.ix_(chosen, chosen)] * np.outer(sd, sd))


def usual() -> Calibration:
    """What is assumed of weights that come without a calibration."""
    count = len(MEASUREMENTS), len(SOURCES)
    related = np.full((len(SOURCES),) * 2, 0.5) + 0.5 * np.eye(len(SOURCES))
    return Calibration(
        bias=np.zeros(count),
        sd=np.tile(USUAL_ERRORS, (count[0], 1)),
        wrong=np.full(count, USUALLY_WRONG),
        correlation=np.tile(related, (count[0], 1, 1)),
        blur=np.full(count[0], 0.03),
        exponent=np.zeros(count[1]),
        regression=None,
        cases=0,
    )


def read_calibration(weights: Path) -> Calibration:
    """``biometry.json`` of a folder of weights; what is usual where there is none.

    Raises:
        FetaError: it can't be read, doesn't hold what is needed, or was fitted to other networks than the folder's, or
            to nobody knows which.
    """
    path = weights / NAME
    if not path.exists():
        return usual()
    return read_fitted(path, _from_json, networks_digest(weights), "is not a calibration of lengths")


class Fitted(Protocol):
    """What was fitted to some networks."""

    @property
    def weights(self) -> str:
        """Which ones, as ``networks_digest`` gives it; "" where that was not written down."""


Read = TypeVar("Read", bound=Fitted)


def read_fitted(
    path: Path,
    parsed: Callable[[Any], Read],
    networks: str,
    problem: str,
    made_by: str = "feta-train assess calibrate",
) -> Read:
    """A file of JSON beside the weights, which is refused beside other networks than it was fitted to.

    Args:
        path: of the file.
        parsed: makes of the content what it means.
        networks: those of the folder; "" where nobody knows them, and none are refused.
        problem: what is said of a file that holds something else.
        made_by: the command that makes such a file.

    Raises:
        FetaError: it can't be read, doesn't hold what is needed, or was fitted to other networks, or to nobody knows
            which.
    """
    try:
        found = parsed(json.loads(read_text(path)))
    except (ArithmeticError, AttributeError, ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = f"make it with {made_by}, or restore it from the repository"
        raise FetaError(path, f"{problem} ({error})", remedy) from error
    if found.weights != (networks or found.weights):
        other = "was fitted to other networks than the folder's"
        said = other if found.weights else "does not tell to which networks it was fitted"
        raise FetaError(path, said, "fit it anew with feta-train assess calibrate, or remove it")
    return found


def networks_digest(weights: Path) -> str:
    """SHA-256 over those of the networks that lengths depend on, by a folder's ``model.yaml``; "" without one."""
    path = weights / MODEL
    try:
        entries = yaml.safe_load(read_text(path)) if path.exists() else {}
        networks = [entries[name] for name in NETWORKS if name in entries]
        files = [entry["sha256"] for each in networks for entry in (each if isinstance(each, list) else [each])]
    except (ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
        return ""  # who loads the weights will say what is wrong with it
    return hashlib.sha256(" ".join(files).encode()).hexdigest() if files else ""


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as ``read_calibration`` reads it. Atomic.

    Raises:
        FetaError: the file can't be written.
    """
    regression = calibration.regression
    content: dict[str, Any] = {"version": VERSION, "cases": calibration.cases, "measurements": list(MEASUREMENTS)}
    content["sources"] = list(SOURCES)
    content |= {"weights": calibration.weights} if calibration.weights else {}
    content |= {name: _rounded(getattr(calibration, name)) for name in _SHAPES}
    if regression is not None:
        content["regression"] = {name: _rounded(getattr(regression, name)) for name in _REGRESSION_SHAPES}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


_SHAPES = {"bias": (5, 3), "sd": (5, 3), "wrong": (5, 3), "correlation": (5, 3, 3), "blur": (5,), "exponent": (3,)}
_REGRESSION_SHAPES = {"without_age": (5, 8), "with_age": (5, 10)}


def _from_json(content: dict[str, Any]) -> Calibration:
    if content["version"] != VERSION or content["measurements"] != list(MEASUREMENTS):
        raise ValueError("another version, or other measurements")
    if content["sources"] != list(SOURCES):
        raise ValueError("other sources")
    arrays = {name: finite_array(content[name], name, shape) for name, shape in _SHAPES.items()}
    if min(arrays["sd"].min(), arrays["blur"].min()) <= 0:
        raise ValueError("a spread that is not positive")
    if arrays["wrong"].min() <= 0 or arrays["wrong"].max() >= 1:
        raise ValueError("a chance that is not between 0 and 1")
    if np.linalg.eigvalsh(arrays["correlation"]).min() <= 0:
        raise ValueError("correlations that cannot be")
    given = content.get("regression")
    tables = {} if given is None else {n: finite_array(given[n], n, shape) for n, shape in _REGRESSION_SHAPES.items()}
    return Calibration(
        **arrays,
        regression=Regression(**tables) if tables else None,
        cases=int(content["cases"]),
        weights=str(content.get("weights", "")),
    )


def finite_array(values: Any, name: str, shape: tuple[int, ...]) -> Array:
    """Numbers of a JSON file, float64 of the given shape.

    Raises:
        ValueError: they are of another shape, or not finite; names the entry.
    """
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} must be {' × '.join(map(str, shape))} numbers")
    return array


def _rounded(array: Array) -> Any:
    return np.round(array, 5).tolist()
