"""Each way of measuring against the truth: errors by measurement, quality and pathology, and what intervals hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.age_model import AgeModel, published_model
from feta.files import write_atomically
from feta.measurements import MEASUREMENTS
from inference.biometry.calibration import Calibration
from inference.biometry.lengths import Length, Method, complete
from training.assessment.evidence import CaseEvidence

Array = npt.NDArray[np.float64]
LINE = "age line"
NO_AGE = "fusion without age"
#: The rows of the table, in its order.
WAYS = (LINE, *(m for m in Method if m is not Method.FUSION), NO_AGE, str(Method.FUSION))
#: The worst images: this part of all.
WORST = 0.25
_COLUMNS = ("case", "age", "pathological", "quality", "measurement", "true", "way", "value", "low", "high", "source")


def write_report(cases: Sequence[CaseEvidence], calibration: Calibration, lines: Array, out: Path) -> Iterator[str]:
    """Measure all cases in every way; write one CSV row a length and yield Markdown tables for people.

    Args:
        cases: with their truth.
        calibration: of the sources.
        lines: as from ``training.assessment.age_lines``.
        out: CSV.
    """
    model = published_model()
    found = {way: [_measured(case, way, model, calibration, lines) for case in cases] for way in WAYS}
    truth = np.array([c.truth for c in cases])
    write_atomically(out, _table(cases, found))
    errors = {way: 100 * np.abs(_values(rows) - truth) / truth for way, rows in found.items()}
    ill = np.array([c.pathological for c in cases])
    quality = np.array([c.quality for c in cases])
    worst = quality <= np.nanquantile(quality, WORST) if np.isfinite(quality).any() else np.zeros(len(cases), bool)
    yield f"MAPE (%) of {len(cases)} cases; worst: the {worst.sum()} worst images; ill: {ill.sum()} pathological"
    yield "| | " + " | ".join(MEASUREMENTS) + " | all | worst | ill | healthy |\n|---" + "|---" * 9 + "|"
    for way, table in errors.items():
        cells = [*np.nanmean(table, axis=0), *(_mean(part) for part in (table, table[worst], table[ill], table[~ill]))]
        yield f"| {way} | " + " | ".join(f"{v:.2f}" for v in cells) + " |"
    yield from _intervals(found, truth)


def _intervals(found: dict[str, list[dict]], truth: Array) -> Iterator[str]:
    """How often 90 % intervals hold the truth, and how wide they are (% of the truth)."""
    yield "\n90 % intervals: held (%), width (% of the length)"
    yield "| | " + " | ".join(MEASUREMENTS) + " | all |\n|---" + "|---" * 6 + "|"
    for way in (str(Method.AGE), NO_AGE, str(Method.FUSION)):
        ends = np.array([[row[m].interval or (np.nan, np.nan) for m in MEASUREMENTS] for row in found[way]])
        known = np.isfinite(ends[..., 0]) & np.isfinite(truth)
        held = np.where(known, (ends[..., 0] <= truth) & (truth <= ends[..., 1]), np.nan)
        width = (ends[..., 1] - ends[..., 0]) / truth
        cells = zip([*np.nanmean(held, 0), _mean(held)], [*np.nanmean(width, 0), _mean(width)], strict=True)
        yield f"| {way} | " + " | ".join(f"{100 * h:.0f}, {100 * w:.1f}" for h, w in cells) + " |"


def _measured(case: CaseEvidence, way: str, model: AgeModel, calibration: Calibration, lines: Array) -> dict:
    if way == LINE:
        values = [float(np.polyval(line, case.age)) if case.age is not None else None for line in lines]
        return {m: Length(v, "age") for m, v in zip(MEASUREMENTS, values, strict=True)}
    age, method = (None, Method.FUSION) if way == NO_AGE else (case.age, Method(way))
    return complete(case.evidence, age, model, calibration, method)[0]


def _values(rows: Sequence[dict]) -> Array:
    values = [[row[m].value for m in MEASUREMENTS] for row in rows]
    return np.array([[np.nan if v is None else v for v in row] for row in values])


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _table(cases: Sequence[CaseEvidence], found: dict[str, list[dict]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for way, rows in found.items():
        for case, row in zip(cases, rows, strict=True):
            for measurement, true in zip(MEASUREMENTS, case.truth, strict=True):
                length = row[measurement]
                numbers = [length.value, *(length.interval or (None, None))]
                cells = ["" if v is None else f"{v:.3f}" for v in numbers]
                start = [case.name, case.age, int(case.pathological), f"{case.quality:g}", measurement, f"{true:.3f}"]
                writer.writerow([*start, way, *cells, length.source])
    return text.getvalue()
