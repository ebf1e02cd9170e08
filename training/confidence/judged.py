"""What the submission would say of rows whose truth is known: verdict, expectation and age, as at run time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from inference.confidence.age_estimate import Age
from inference.confidence.confidence import Judging, doubts_of_age
from inference.confidence.quality_model import Expectation
from inference.confidence.verdict import Judgement, Verdict, judge
from training.confidence.quality_table import with_age
from training.confidence.rows import CaseRow


@dataclass(frozen=True)
class Judged:
    """One row and what is said of it.

    Attributes:
        row: with its truth.
        judgement: the verdict.
        expected: quality and sizes; None where the volume was refused or holds no brain.
        age: estimated; None likewise.
    """

    row: CaseRow
    judgement: Judgement
    expected: Expectation | None = None
    age: Age | None = None

    @property
    def accepted(self) -> bool:
        """Whether the verdict is accept."""
        return self.judgement.verdict is Verdict.ACCEPT


def judge_rows(rows: Iterable[CaseRow], judging: Judging) -> list[Judged]:
    """The verdict on each row; one that was refused before segmentation is rejected."""
    found = []
    for row in rows:
        if row.refused:
            found.append(Judged(row, Judgement(Verdict.REJECT)))
            continue
        found.append(_judged(row, judging))
    return found


def _judged(row: CaseRow, judging: Judging) -> Judged:
    aged = with_age(row)
    signals, lengths, model = row.signals(with_age=aged), row.lengths(with_age=aged), judging.model
    if model is None or lengths is None:
        return Judged(row, judge(signals, None, None, judging.limits))
    age = row.estimated(model.age)
    given = row.age if aged and np.isfinite(row.age) else None
    weeks = given if given is not None else np.nan if age is None else age.weeks
    intervals = np.stack([lengths.low, lengths.high], axis=1)
    expected = model.expect(signals, lengths.values, intervals, float(weeks))
    doubts = doubts_of_age(given, age, judging.limits)
    verdict = judge(signals, expected, model.distance(signals), judging.limits, doubts)
    return Judged(row, verdict, expected, age)
