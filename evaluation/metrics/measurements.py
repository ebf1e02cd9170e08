"""One pair of label maps → every measurement, before any policy.

What is measured here depends on nothing but the two maps, so it can be kept
from one run to the next. Values of labels that one map lacks are NaN or
infinite; ``evaluation.scoring.policy`` gives them their penalties.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics import backend
from evaluation.metrics.betti import betti_numbers
from evaluation.metrics.hausdorff import hausdorff95
from evaluation.metrics.overlap import confusion_matrix, dice, volume_similarity
from evaluation.metrics.surface_elements import Surface, most_elements
from feta.labels import TISSUES
from feta.volumes import Volume

#: Part of the cache's key: raise it whenever a measurement's value can change.
MEASUREMENT_VERSION = 2


@dataclass(frozen=True)
class LabelMap:
    """A label map with what is found in it once, however often it is compared.

    Attributes:
        volume: labels 0–7, uint8 (z, y, x), and their grid.
        surfaces: of labels 1–7.
        betti: (7, 3) int64.
    """

    volume: Volume
    surfaces: tuple[Surface, ...]
    betti: npt.NDArray[np.int64]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which of the labels 1–7 have a voxel, (7,)."""
        return np.array([not s.empty for s in self.surfaces])


@dataclass(frozen=True)
class PairMetrics:
    """Metrics of labels 1–7 of one pair, ground truth and prediction; arrays (7,) unless said otherwise.

    Attributes:
        dice, vs: NaN where the label is in neither map.
        hd95: mm, infinite where the label is missing in either map, or ``ragged``.
        betti_truth, betti_prediction: (7, 3) int64, (b0, b1, b2); zeros in the latter where ``ragged``.
        in_truth, in_prediction: bool.
        diagonal: mm, of the image.
        ragged: bool, the predicted label's surface was too large to be measured.
    """

    dice: npt.NDArray[np.float64]
    vs: npt.NDArray[np.float64]
    hd95: npt.NDArray[np.float64]
    betti_truth: npt.NDArray[np.int64]
    betti_prediction: npt.NDArray[np.int64]
    in_truth: npt.NDArray[np.bool_]
    in_prediction: npt.NDArray[np.bool_]
    diagonal: float
    ragged: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(TISSUES), dtype=bool))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the cache; NaN and infinity become null (they follow from the label's absence)."""
        plain: dict[str, Any] = {"diagonal": self.diagonal}
        for name in ("dice", "vs", "hd95"):
            plain[name] = [v if np.isfinite(v) else None for v in getattr(self, name).tolist()]
        for name in ("betti_truth", "betti_prediction", "in_truth", "in_prediction", "ragged"):
            plain[name] = getattr(self, name).tolist()
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> PairMetrics:
        """Inverse of ``to_json``.

        Raises:
            KeyError, TypeError, ValueError: it isn't what ``to_json`` wrote.
        """
        n = len(TISSUES)
        return cls(
            dice=_floats(plain["dice"], np.nan),
            vs=_floats(plain["vs"], np.nan),
            hd95=_floats(plain["hd95"], np.inf),
            betti_truth=np.array(plain["betti_truth"], dtype=np.int64).reshape(n, 3),
            betti_prediction=np.array(plain["betti_prediction"], dtype=np.int64).reshape(n, 3),
            in_truth=np.array(plain["in_truth"], dtype=bool).reshape(n),
            in_prediction=np.array(plain["in_prediction"], dtype=bool).reshape(n),
            ragged=np.array(plain["ragged"], dtype=bool).reshape(n),
            diagonal=float(plain["diagonal"]),
        )


def _floats(values: list[float | None], absent: float) -> npt.NDArray[np.float64]:
    return np.array([absent if v is None else v for v in values], dtype=np.float64).reshape(len(TISSUES))


def analyse(volume: Volume, truth: LabelMap | None = None) -> LabelMap:
    """Find surfaces and Betti numbers of a label map (uint8, values 0–7).

    Args:
        truth: the ground truth, for a map that strangers made: what it costs is bounded then, and a label whose
            surface is many times the true one's, as noise has it, is not looked at any further.
    """
    most = most_elements(truth.surfaces) if truth else None
    surfaces = backend.load().surfaces(volume.array, most)
    return LabelMap(volume, surfaces, betti_numbers(volume.array, surfaces))


def compare(truth: LabelMap, prediction: LabelMap) -> PairMetrics:
    """Measure a prediction against the ground truth on the same grid.

    Raises:
        ValueError: the maps' shapes differ.
    """
    confusion = confusion_matrix(truth.volume.array, prediction.volume.array)
    sx, sy, sz = truth.volume.grid.spacing
    pairs = zip(truth.surfaces, prediction.surfaces, strict=True)
    return PairMetrics(
        dice=dice(confusion),
        vs=volume_similarity(confusion),
        hd95=np.array([hausdorff95(a, b, (sz, sy, sx)) for a, b in pairs]),
        betti_truth=truth.betti,
        betti_prediction=prediction.betti,
        in_truth=truth.present,
        in_prediction=prediction.present,
        ragged=np.array([bool(surface.left_out) for surface in prediction.surfaces]),
        diagonal=truth.volume.grid.diagonal_mm,
    )


def measure(truth: Volume, prediction: Volume) -> PairMetrics:
    """Every measurement of one pair of label maps on the same grid."""
    true = analyse(truth)
    return compare(true, analyse(prediction, true))
