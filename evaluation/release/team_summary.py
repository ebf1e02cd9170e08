"""What a team's page says: its own numbers beside the median of all teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.choices import Euler
from evaluation.harness.record import RunRecord
from evaluation.ranking.leaderboard import Row
from evaluation.ranking.schemes import min_ranks
from evaluation.release.failures import FailedCase, failed_cases, penalty_counts
from evaluation.release.published import Published
from evaluation.release.run_facts import run_facts
from evaluation.report.cells import DIGITS, ReportTable, text_cell
from evaluation.report.style import METRIC_TITLES
from evaluation.scoring.score_table import HIGHER_IS_BETTER, RANKED_METRICS, SEGMENTATION_METRICS
from evaluation.submissions.reasons import NOT_A_FAULT
from feta.labels import EXPECTED_BETTI, TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS

Floats = npt.NDArray[np.float64]
_BETTI = slice(SEGMENTATION_METRICS.index("b0"), None)
_WITHHELD = "–"


@dataclass(frozen=True)
class Standing:
    """A team's place in a task. ``range``: 95 % of its bootstrap ranks, in words; None where it can't be told."""

    task: str
    rank: int
    teams: int
    range: str | None
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TeamSummary:
    """Everything that a page shows. Tables are empty where the numbers are withheld or there are none."""

    team: str
    cases: int
    standings: tuple[Standing, ...]
    failed: tuple[FailedCase, ...]
    penalties: ReportTable | None
    metrics: tuple[ReportTable, ...]
    topology: ReportTable | None
    lengths: ReportTable | None
    run: tuple[tuple[str, str], ...]
    withheld: bool


class Summaries:
    """The summaries of all teams. What they share is computed once, so that a thousand take a thousand times one."""

    def __init__(self, published: Published, names: Sequence[str], record: RunRecord) -> None:
        table = published.table
        self._published, self._names, self._record = published, names, record
        index = [SEGMENTATION_METRICS.index(metric) for metric in RANKED_METRICS]
        told = published.enough.told
        self._means = table.counted[:, table.mapped][..., index].mean(axis=1)
        signs = np.array([-1.0 if metric in HIGHER_IS_BETTER else 1.0 for metric in RANKED_METRICS])
        self._places = min_ranks(self._means * signs, axis=0)
        # Of few teams the median can be one's own number: those withheld have no part in it.
        self._medians = _nanmedian(self._means[told])
        self._betti, self._betti_cases = _topology(published)
        self._betti_medians = _nanmedian(self._betti[told])
        self._errors = _length_means(published)
        self._error_medians = _nanmedian(self._errors[published.enough.lengths_told])
        self._boards = {
            task: {str(row["team"]): row for row in boards[0].rows if row["rank"] is not None}
            for task, boards in (("Segmentation", published.segmentation()), ("Biometry", published.biometry()))
            if boards
        }

    def of(self, t: int) -> TeamSummary:
        """The summary of the team with an index."""
        table, team = self._published.table, self._published.table.teams[t]
        enough = self._published.enough
        told, lengths_told = bool(enough.told[t]), bool(enough.lengths_told[t])
        by_label = told and enough.each_label
        runs = self._record.cases.get(team, {})
        return TeamSummary(
            team=team,
            cases=len(table.cases),
            standings=tuple(_standing(task, rows[team], len(rows)) for task, rows in self._boards.items()),
            failed=failed_cases(table, t, self._names, runs),
            penalties=_penalty_table(penalty_counts(table, t)),
            metrics=tuple(self._metric(t, k, metric) for k, metric in enumerate(RANKED_METRICS)) if by_label else (),
            topology=self._topology_table(t) if by_label else None,
            lengths=self._length_table(t) if "Biometry" in self._boards and lengths_told else None,
            run=run_facts(self._record, team, runs, self._published.policy.fewest_cases),
            withheld=not (by_label and lengths_told),
        )

    def _metric(self, t: int, k: int, metric: str) -> ReportTable:
        digits = DIGITS.get(metric, 2)
        rows = []
        for i, tissue in enumerate(TISSUES):
            numbers = (f"{self._means[t, i, k]:.{digits}f}", f"{self._medians[i, k]:.{digits}f}")
            place = str(self._places[t, i, k])
            rows.append(tuple(map(text_cell, (TISSUE_NAMES[tissue], *numbers, place))))
        return ReportTable(METRIC_TITLES[metric], ("You", "Median", "Place"), tuple(rows))

    def _topology_table(self, t: int) -> ReportTable:
        rows = []
        for i, tissue in enumerate(TISSUES):
            broken, measured = self._betti_cases[t, i]
            pairs = zip(self._betti[t, i], self._betti_medians[i], strict=True)
            cells = (_beside(own, median) for own, median in pairs)
            rows.append(
                tuple(map(text_cell, (TISSUE_NAMES[tissue], f"{broken} of {measured}", *cells,
                                      _expected(i, self._published.results.euler))))
            )  # fmt: skip
        headings = ("Cases off", "|Δb0|", "|Δb1|", "|Δb2|", "Expected b0, b1, b2")
        return ReportTable("Topology", headings, tuple(rows))

    def _length_table(self, t: int) -> ReportTable:
        shown = range(len(MEASUREMENTS)) if self._published.enough.each_length else ()
        rows = [
            (MEASUREMENT_NAMES[MEASUREMENTS[k]], f"{self._errors[t, k]:.2f}", f"{self._error_medians[k]:.2f}")
            for k in shown
            if np.isfinite(self._errors[t, k])
        ]
        cells = tuple(tuple(map(text_cell, row)) for row in rows)
        return ReportTable("Mean error of each length, %", ("You", "Median"), cells)


def _topology(published: Published) -> tuple[Floats, npt.NDArray[np.int_]]:
    """(T, 7, 3) mean |Δb0|, |Δb1|, |Δb2| of what was measured, NaN where nothing was; (T, 7, 2) cases off, measured."""
    table = published.table
    off = table.values[..., _BETTI]
    measured = np.isin(table.reasons[..., _BETTI.start], sorted(NOT_A_FAULT)) & table.mapped[:, None]
    counts = measured.sum(axis=1)
    with np.errstate(invalid="ignore"):
        means = np.where(measured[..., None], off, 0.0).sum(axis=1) / counts[..., None]
    broken = ((off > 0).any(axis=3) & measured).sum(axis=1)
    means[counts < published.policy.fewest_cases] = np.nan
    return means, np.stack([broken, counts], axis=-1)


def _nanmedian(values: Floats) -> Floats:
    """(T, …) → (…), NaN where no team has a number."""
    known = np.isfinite(values).any(axis=0) if len(values) else np.zeros(values.shape[1:], dtype=bool)
    result = np.full(values.shape[1:], np.nan)
    if known.any():
        result[known] = np.nanmedian(values[:, known], axis=0)
    return result


def _length_means(published: Published) -> Floats:
    """(T, 5) mean error of each length in percent, as it counts; NaN where the truth has none."""
    known = np.isfinite(published.table.true_lengths)
    sums = np.where(known, published.table.counted_errors, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known.any(axis=0), sums / known.sum(axis=0), np.nan))


def _expected(tissue: int, euler: Euler) -> str:
    if euler == "reference":
        return "the truth's"
    return ", ".join(map(str, EXPECTED_BETTI[TISSUES[tissue]]))


def _beside(own: float, median: float) -> str:
    """``1.2 (median 0.4)``; a dash for what is not known."""
    first, second = (f"{value:.1f}" if np.isfinite(value) else _WITHHELD for value in (own, median))
    return f"{first} ({second})"


def _standing(task: str, row: Row, teams: int) -> Standing:
    low, high = row.get("rank_low"), row.get("rank_high")
    range_ = None if low is None else f"{low}" if low == high else f"{low} to {high}"
    metrics = (*RANKED_METRICS, "mape")
    facts = [(METRIC_TITLES[metric], f"{row[metric]:.{DIGITS.get(metric, 2)}f}") for metric in metrics if metric in row]
    return Standing(task, int(str(row["rank"])), teams, range_, tuple(facts))


def _penalty_table(counts: Sequence[tuple[str, int, int]]) -> ReportTable | None:
    if not counts:
        return None
    rows = tuple(tuple(map(text_cell, map(str, row))) for row in counts)
    return ReportTable("Cases with a penalty, by reason", ("Label maps", "Lengths"), rows)
