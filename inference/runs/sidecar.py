"""``…_biom.json`` beside the table of lengths: how sure each one is, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feta.age_model import AgeModel
from feta.files import write_atomically
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS, Measurement
from inference.biometry.lengths import AGE, Length, Method


def write_sidecar(
    path: Path, lengths: Mapping[Measurement, Length], age: float | None, model: AgeModel, method: Method
) -> None:
    """Write what the table of lengths has no room for. Atomic.

    Args:
        path: ``.json``.
        lengths: the five lengths.
        age: weeks; None where unknown.
        model: gives the centiles.
        method: how lengths were found.

    Raises:
        FetaError: the file can't be written.
    """
    content = {
        "Units": "mm",
        "GestationalAgeWeeks": age,
        "Method": str(method),
        "Lengths": {str(m): _described(m, lengths[m], age, model) for m in MEASUREMENTS},
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def _described(measurement: Measurement, length: Length, age: float | None, model: AgeModel) -> dict[str, Any]:
    # A length that itself comes from the age has no centile worth reading.
    known = length.value is not None and age is not None and length.source != AGE
    centile = model.centile(measurement, length.value, age) if known else None  # type: ignore[arg-type]
    return {
        "Name": MEASUREMENT_NAMES[measurement],
        "Value": _rounded(length.value),
        "Interval90": None if length.interval is None else [_rounded(v) for v in length.interval],
        "Centile": None if centile is None else round(centile, 1),
        "Source": length.source or None,
        "ShareOfAge": round(length.age_share, 3),
        "Estimates": {source: _rounded(value) for source, value in length.estimates.items()},
        "LandmarksLPS": None
        if length.line is None
        else [[_rounded(v) for v in end] for end in (length.line.start, length.line.end)],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
