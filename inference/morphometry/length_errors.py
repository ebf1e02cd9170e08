"""How far the further lengths are off: ``length_errors.json``, which ``feta-train assess further-lengths`` writes.

Errors of a label map's border are millimetres, and grow with the brain's voxels rather than with the length: they are
told as shares of the brain's width, by length, left and right together.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

NAME = "length_errors.json"


def kind_of(key: str) -> str:
    """A length's key without its side: ``atrium`` of ``atrium_left``."""
    return key.removesuffix("_left").removesuffix("_right")


def interval(key: str, value: float, brain_width: float) -> tuple[float, float] | None:
    """From and to (mm), between which the true length lies with a chance of 90 %; None where that isn't known.

    Args:
        key: of the length.
        value: as measured on a predicted label map, mm.
        brain_width: mm.
    """
    known = _errors().get(kind_of(key))
    if known is None:
        return None
    low, high = (max(value + share * brain_width, 0.0) for share in known)
    return low, high


@cache
def _errors() -> dict[str, tuple[float, float]]:
    """By kind of length: least and greatest true length less the measured one, as shares of the brain's width."""
    content = json.loads((files("inference.morphometry") / NAME).read_text("utf-8"))
    return {kind: (float(low), float(high)) for kind, (low, high) in content["errors"].items()}
