"""Unranked rows that a leaderboard is read against: the GA baseline and the inter-rater difference.

Both come from files made elsewhere; nothing here is ever fitted on the scored ground truth (no leakage).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import CaseInfo, ScoreTable
from feta.age_model import AgeModel, read_age_model
from feta.biometry_table import parse_length
from feta.errors import FetaError
from feta.files import read_text
from feta.measurements import MEASUREMENTS
from feta.tables import is_absent, read_table

Floats = npt.NDArray[np.float64]
GA_BASELINE = "GA baseline"
INTER_RATER = "inter-rater"
#: A mean error beyond this is a slip of the pen.
_MOST_PERCENT = 1e6


@dataclass(frozen=True)
class Reference:
    """Lengths, or their mean errors, of something that does not compete.

    Attributes:
        lengths: (C, 5) float64 mm, NaN where unknown.
        published: mean errors in percent, in place of lengths; of the whole cohort. "mape" is the pooled one.
    """

    name: str
    source: str
    lengths: Floats | None = None
    published: Mapping[str, float] | None = None

    def errors(self, table: ScoreTable) -> Floats:
        """(C, 5) absolute relative errors in percent; NaN where truth or length is unknown."""
        if self.lengths is None:
            return np.full(table.true_lengths.shape, np.nan)
        return np.abs(self.lengths - table.true_lengths) / table.true_lengths * 100

    def mape(self, table: ScoreTable, members: npt.NDArray[np.bool_]) -> dict[str, float] | None:
        """Mean error of each measurement and, as "mape", pooled; None where nothing is known.

        Args:
            members: (C,) the cases that count; a published figure stands for all of them only.
        """
        if self.published is not None:
            return dict(self.published) if members.all() else None
        errors = self.errors(table)[members]
        if not np.isfinite(errors).any():
            return None
        known = {m: errors[np.isfinite(errors[:, k]), k] for k, m in enumerate(MEASUREMENTS)}
        means = {str(m): float(values.mean()) for m, values in known.items() if values.size}
        return means | {"mape": float(errors[np.isfinite(errors)].mean())}


def read_references(baseline: Path | None, rater: Path | None, cases: tuple[CaseInfo, ...]) -> list[Reference]:
    """The unranked rows that were asked for, from the files of a GA baseline and of a second rater.

    Raises:
        FetaError: a file can't be used.
    """
    references = []
    if baseline is not None:
        references.append(ga_baseline(baseline, cases))
    if rater is not None:
        references.append(inter_rater(rater, cases))
    return references


def ga_baseline(path: Path, cases: tuple[CaseInfo, ...]) -> Reference:
    """Lengths that follow from the age alone, by a linear model in JSON: {measure: [intercept, slope]}."""
    return Reference(GA_BASELINE, path.name, lengths=expected_lengths(read_age_model(path), cases))


def expected_lengths(model: AgeModel, cases: tuple[CaseInfo, ...]) -> Floats:
    """(C, 5) mm; NaN where a case's age is unknown."""
    rows = [[np.nan if c.age is None else model.length(m, c.age) for m in MEASUREMENTS] for c in cases]
    return np.array(rows, dtype=np.float64).reshape(len(cases), len(MEASUREMENTS))


def inter_rater(path: Path, cases: tuple[CaseInfo, ...]) -> Reference:
    """A second rater's lengths (a table as the truth's, a row for a subject or a case) or mean errors (JSON).

    The JSON is {measure: mean error in percent, …, "mape": pooled}; it is the form in which such
    figures get published.

    Raises:
        FetaError: the file can't be read as either.
    """
    text = read_text(path)
    if text.lstrip().startswith("{"):
        return Reference(INTER_RATER, path.name, published=_published(path, text))
    return Reference(INTER_RATER, path.name, lengths=_second_rater(path, cases))


def _published(path: Path, text: str) -> dict[str, float]:
    remedy = 'write {"LCC": percent, …, "mape": percent}'
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FetaError(path, f"is not JSON ({error})", remedy) from error
    allowed = {str(m) for m in MEASUREMENTS} | {"mape"}
    for key, value in content.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key not in allowed or not number or not 0 <= value <= _MOST_PERCENT:
            raise FetaError(path, f"{key!r}: {str(value)[:20]} is not a mean error in percent", remedy)
    if "mape" not in content:
        raise FetaError(path, "has no pooled error", remedy)
    return {key: float(value) for key, value in content.items()}


def _second_rater(path: Path, cases: tuple[CaseInfo, ...]) -> Floats:
    table = read_table(path)
    columns = {m: table.header.index(m) for m in MEASUREMENTS if m in table.header}
    if not columns:
        raise FetaError(path, "has no column of a measurement", f"name columns {', '.join(MEASUREMENTS)}")
    rows = {row[0]: row for row in table.rows}
    lengths = np.full((len(cases), len(MEASUREMENTS)), np.nan)
    for i, case in enumerate(cases):
        names = (case.name, case.name.removesuffix("_T2w"), case.subject)
        row = next((rows[name] for name in names if name in rows), ())
        for measurement, column in columns.items():
            cell = row[column] if column < len(row) else ""
            value, problem = parse_length(cell)
            if problem and not is_absent(cell):
                raise FetaError(path, f"{row[0]}: {measurement} {problem}", "give mm; leave what is unknown empty")
            lengths[i, MEASUREMENTS.index(measurement)] = np.nan if value is None else value
    if not np.isfinite(lengths).any():
        raise FetaError(path, "holds no length of any scored case", "start each row with a subject or a case's name")
    return lengths
