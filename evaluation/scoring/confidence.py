"""What teams' own expectations of their results are worth: coverage and width of intervals, and risk against coverage.

Nothing is ranked by it. Figures are those of the score table before penalties' limits: a promise of Dice is held
against the Dice that the team got, and so is one of a label or file that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from evaluation.submissions.case_files import locate_confidence
from evaluation.submissions.confidence import Promise, check_confidence
from evaluation.submissions.find import Submission
from evaluation.submissions.intake import RejectedError, private_folder, take
from evaluation.submissions.lengths import LARGEST_TABLE
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

Array = npt.NDArray[np.float64]
#: Measures that the truth of an evaluation tells; of volumes it has none of its own.
SCORED = ("dice", "hd95", "length")
#: What the intervals promise.
CHANCE = 0.9


@dataclass(frozen=True)
class IntervalScore:
    """Of one measure: pairs of case and figure, share of intervals that hold, mean half width, mean absolute error.

    Widths and errors are in points of Dice (0 to 1), mm of HD95, and % of a length.
    """

    pairs: int
    held: float
    half_width: float
    error: float


@dataclass(frozen=True)
class ConfidenceScore:
    """What a team's expectations are worth.

    Attributes:
        measures: by name, those that have a pair.
        cases: with an expected Dice of all tissues.
        area: under the risk–coverage curve, the risk 1 - mean Dice (Geifman and El-Yaniv, NeurIPS 2017); None without.
        best: the least that any order of these cases has; chance: what an order that knows nothing has.
        curve: (coverage, mean risk of the surest cases), points of the curve.
    """

    measures: Mapping[str, IntervalScore]
    cases: int
    area: float | None = None
    best: float | None = None
    chance: float | None = None
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class TeamConfidence:
    """A team's score, None where it handed in no such file; and one line for each thing that is wrong with one."""

    score: ConfidenceScore | None
    lines: tuple[str, ...] = field(default=())


def score_confidence(team: Submission, index: int, table: ScoreTable, *, only_case: Sequence[bool]) -> TeamConfidence:
    """What one team's expectations are worth.

    Args:
        team: its files.
        index: of the team in the table.
        table: of scores.
        only_case: of each case, whether its subject has no other.
    """
    lines: list[str] = []
    promised: dict[int, tuple[Promise, ...]] = {}
    for at, case in enumerate(table.cases):
        try:
            located = locate_confidence(team, case.name, case.subject, only_case=only_case[at])
            if located is None:
                continue
            with private_folder() as folder:
                checked = check_confidence(take(team.root, located, folder, largest=LARGEST_TABLE), case.name)
        except RejectedError as error:
            lines.append(error.line)
            continue
        lines += checked.problems
        promised[at] = checked.promises
    if not promised and not lines:
        return TeamConfidence(None)
    return TeamConfidence(_scored(promised, index, table), tuple(lines))


def _scored(promised: Mapping[int, Sequence[Promise]], team: int, table: ScoreTable) -> ConfidenceScore:
    pairs: dict[str, list[tuple[float, Promise]]] = {name: [] for name in SCORED}
    expected: dict[int, float] = {}
    for case, promises in promised.items():
        dice = [p.value for p in promises if p.measure == "dice"]
        if len(dice) == len(TISSUES) and table.mapped[case]:
            expected[case] = float(np.mean(dice))
        for promise in promises:
            true = _true(promise, case, team, table)
            if np.isfinite(true):
                pairs[promise.measure].append((true, promise))
    measures = {name: _intervals(name, found) for name, found in pairs.items() if found}
    if not expected:
        return ConfidenceScore(measures, 0)
    at = SEGMENTATION_METRICS.index("dice")
    risk = np.array([1 - table.values[team, case, :, at].mean() for case in expected])
    curve = risk_coverage(risk, np.array(list(expected.values())))
    best = risk_coverage(risk, -risk)
    points = tuple((float(k + 1) / len(curve), float(v)) for k, v in enumerate(curve))
    return ConfidenceScore(measures, len(expected), float(curve.mean()), float(best.mean()), float(risk.mean()), points)


def _true(promise: Promise, case: int, team: int, table: ScoreTable) -> float:
    """The figure that a promise is about; NaN where the truth has none, or none is scored."""
    if promise.measure == "length":
        return float(table.true_lengths[case, [str(m) for m in MEASUREMENTS].index(promise.target)])
    if promise.measure not in SCORED:
        return float("nan")
    tissue = [t.name for t in TISSUES].index(promise.target)
    return float(table.values[team, case, tissue, SEGMENTATION_METRICS.index(promise.measure)])


def _intervals(measure: str, found: Sequence[tuple[float, Promise]]) -> IntervalScore:
    true = np.array([t for t, _ in found])
    value, low, high = np.array([(p.value, p.low, p.high) for _, p in found]).T
    unit = true / 100 if measure == "length" else np.ones(len(true))
    return IntervalScore(
        pairs=len(found),
        held=float(((low <= true) & (true <= high)).mean()),
        half_width=float(((high - low) / 2 / unit).mean()),
        error=float((np.abs(value - true) / unit).mean()),
    )


def risk_coverage(risk: Array, confidence: Array) -> Array:
    """(N,) mean risk of the surest 1 to N cases; of cases that are equally sure, the mean over their orders.

    Args:
        risk: (N,).
        confidence: (N,), the greater the surer.
    """
    levels, own = np.unique(-confidence, return_inverse=True)
    mean = np.bincount(own, weights=risk) / np.bincount(own)
    del levels
    ordered = mean[np.sort(own)]
    return np.asarray(np.cumsum(ordered) / np.arange(1, len(ordered) + 1))
