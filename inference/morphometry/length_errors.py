"""How far the further lengths are off: ``further_lengths.json`` beside the weights; refused beside other networks.

Errors of a label map's border are millimetres, and grow with the brain's voxels rather than with the length: they are
told as shares of the brain's width, by length, left and right together. ``feta-train assess calibrate`` measures them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feta.files import write_atomically
from inference.biometry.calibration import finite_array, read_fitted

NAME = "further_lengths.json"


def kind_of(key: str) -> str:
    """A length's key without its side: ``atrium`` of ``atrium_left``."""
    return key.removesuffix("_left").removesuffix("_right")


@dataclass(frozen=True)
class LengthErrors:
    """How far the further lengths are off on the label maps of some networks; of nobody knows which ones by default.

    Attributes:
        shares: by kind of length, least and greatest true length less the measured one, as shares of the brain's width,
            between which it lies with a chance of 90 %.
        cases: on which they were measured.
        weights: which networks drew the label maps, as ``networks_digest`` gives it.
    """

    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cases: int = 0
    weights: str = ""

    def interval(self, key: str, value: float, brain_width: float) -> tuple[float, float] | None:
        """From and to (mm), between which the true length lies with a chance of 90 %; None where that isn't known.

        Args:
            key: of the length.
            value: as measured on a predicted label map, mm.
            brain_width: mm.
        """
        known = self.shares.get(kind_of(key))
        if known is None:
            return None
        low, high = (max(value + share * brain_width, 0.0) for share in known)
        return low, high


def read_length_errors(weights: Path, networks: str) -> LengthErrors:
    """``further_lengths.json`` of a folder of weights; where there is none, no errors are known.

    Args:
        weights: the folder.
        networks: which ones make the label maps, as the file names them; "" where nobody knows.

    Raises:
        FetaError: it can't be read, doesn't hold what is needed, or was measured with other networks.
    """
    path = weights / NAME
    if not path.exists():
        return LengthErrors()
    return read_fitted(path, _from_plain, networks, "does not hold errors of the further lengths")


def write_length_errors(path: Path, errors: LengthErrors) -> None:
    """Write errors as ``read_length_errors`` reads them. Atomic.

    Raises:
        FetaError: the file can't be written.
    """
    shares = {kind: [round(share, 5) for share in both] for kind, both in errors.shares.items()}
    content = {"weights": errors.weights, "cases": errors.cases, "errors": shares}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def _from_plain(content: Mapping[str, Any]) -> LengthErrors:
    shares = {}
    for kind, both in content["errors"].items():
        low, high = finite_array(both, kind, (2,)).tolist()
        if low > high:
            raise ValueError(f"{kind} ends below where it begins")
        shares[kind] = (low, high)
    return LengthErrors(shares, int(content["cases"]), str(content.get("weights", "")))
