"""``…_biom.json`` beside the table of lengths: how sure each one is, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feta.files import write_atomically
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS, Measurement
from inference.biometry.lengths import Length, Method
from inference.confidence.confidence import Confidence
from inference.confidence.verdict import Judgement
from inference.morphometry.five_lengths import as_measured
from inference.morphometry.norms import place


def write_sidecar(
    path: Path,
    lengths: Mapping[Measurement, Length],
    age: float | None,
    method: Method,
    confidence: Confidence | None = None,
) -> None:
    """Write what the table of lengths has no room for. Atomic.

    Args:
        path: ``.json``.
        lengths: the five lengths.
        age: weeks; None where unknown.
        method: how lengths were found.
        confidence: in the results: Grand Challenge shows nobody more than this file. None of others' label maps.

    Raises:
        FetaError: the file can't be written.
    """
    content = {
        "Units": "mm",
        "GestationalAgeWeeks": age,
        "Method": str(method),
        "Lengths": {str(m): _described(m, lengths[m], age) for m in MEASUREMENTS},
        **({} if confidence is None else _verdict(confidence.judgement)),
    }
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def _verdict(judgement: Judgement) -> dict[str, Any]:
    return {"Verdict": str(judgement.verdict), "VerdictReasons": [reason.text for reason in judgement.reasons]}


def _described(measurement: Measurement, length: Length, age: float | None) -> dict[str, Any]:
    placed = place(as_measured({measurement: length})[0], age)
    return {
        "Name": MEASUREMENT_NAMES[measurement],
        "Value": _rounded(length.value),
        "Interval90": None if length.interval is None else [_rounded(v) for v in length.interval],
        "Centile": None if placed.centile is None else round(placed.centile, 1),
        "Norms": [
            {"Source": norm.source, "Mean": _rounded(norm.mean), "Sd": _rounded(norm.sd), "Z": _rounded(norm.z)}
            for norm in placed.norms
        ],
        "Source": length.source or None,
        "ShareOfAge": round(length.age_share, 3),
        "Estimates": {source: _rounded(value) for source, value in length.estimates.items()},
        "LandmarksLPS": None
        if length.line is None
        else [[_rounded(v) for v in end] for end in (length.line.start, length.line.end)],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
