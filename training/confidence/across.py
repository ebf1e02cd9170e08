"""The model of quality judged on individuals that it was not fitted on, and what each group of its signals is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from inference.confidence.confidence import Judging
from inference.confidence.quality_model import Figure
from inference.confidence.signals import CASE, GROUPS, TISSUE
from training.confidence.fit import fit_quality_model, left_out
from training.confidence.judged import Judged, judge_rows
from training.confidence.quality_table import FOLDS, Table, folds_of
from training.confidence.report import risk_coverage
from training.confidence.rows import CaseRow

#: Signals of each tissue that belong to a group of those of the case.
OF_TISSUES = {
    "topology": ("tissue_changed",),
    "probabilities": ("tissue_certainty", "tissue_doubtful", "tissue_soft"),
    "shape": ("tissue_size", "tissue_part"),
}


def judged_across(rows: Sequence[CaseRow], count: int = FOLDS) -> list[Judged]:
    """Each row judged by a model of the individuals of other folds, of which there are so many."""
    folds, found = folds_of(rows, count), []
    for fold in np.unique(folds):
        model, _, _ = fit_quality_model([r for r, f in zip(rows, folds, strict=True) if f != fold], "")
        found += judge_rows([r for r, f in zip(rows, folds, strict=True) if f == fold], Judging(model))
    return found


def worth_of_signals(rows: Sequence[CaseRow]) -> Iterator[str]:
    """What is lost where a group of signals is left out, of left-out individuals, as Markdown."""
    yield "| signals left out | error of a tissue's Dice | rank correlation of the mean | risk–coverage area |"
    yield "|---|---|---|---|"
    table = Table.of(rows)
    true = np.stack([row.dice for row in table.rows])
    for name in ("none", *GROUPS):
        said = np.clip(left_out(table if name == "none" else table.without(_columns(name)))[Figure.DICE], 0, 1)
        rank = stats.spearmanr(true.mean(axis=1), said.mean(axis=1)).statistic
        area = risk_coverage(1 - true.mean(axis=1), said.mean(axis=1))
        yield f"| {name} | {np.abs(said - true).mean():.4f} | {rank:.3f} | {area:.4f} |"
    yield f"\n{len(table.rows)} volumes\n"


def _columns(group: str) -> list[int]:
    """Where a group's signals lie in the rows of the tissues."""
    own = [CASE.index(name) for name in GROUPS[group]]
    return own + [len(CASE) + TISSUE.index(name) for name in OF_TISSUES.get(group, ())]
