"""``…_confidence.csv``: what is expected of a case, one row a figure; the evaluator scores what it promises."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from feta.files import write_atomically
from feta.tables import CONFIDENCE_COLUMNS
from inference.confidence.confidence import Confidence


def write_confidence(path: Path, case: str, confidence: Confidence) -> None:
    """Write the table of a case; the header alone where nothing is expected. Atomic.

    Args:
        path: ``.csv``.
        case: its name.
        confidence: in its results.

    Raises:
        FetaError: it can't be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CONFIDENCE_COLUMNS)
    for measure, target, *values in confidence.rows():
        writer.writerow([case, measure, target, *(f"{value:.4f}" for value in values)])
    write_atomically(path, text.getvalue().encode(errors="backslashreplace"))
