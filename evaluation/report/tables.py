"""The report's tables, as plain rows of text: the template only lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.harness.record import TeamRun
from evaluation.harness.state import MEANING, CaseState
from evaluation.harness.status import clock
from evaluation.ranking.groups import Group, by_attribute
from evaluation.ranking.leaderboard import Cell, LeaderboardGroup, Row
from evaluation.ranking.results import Results, label_means, metric_means
from evaluation.ranking.stability import Significance
from evaluation.report.style import METRIC_TITLES
from evaluation.scoring.score_table import HIGHER_IS_BETTER, RANKED_METRICS
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

DIGITS = {"dice": 3, "vs": 3, "hd95": 2, "ed": 1, "ed_floor": 1, "b0": 1, "b1": 1, "b2": 1, "score": 2}
DARKEST = 0.38


@dataclass(frozen=True)
class TableCell:
    """What is shown, what it is sorted by, and how dark its ground is (0–1)."""

    text: str
    sort: str
    shade: float = 0.0


@dataclass(frozen=True)
class ReportTable:
    """A table: ``rows`` compete, ``footer`` rows don't; the first cell of a heat table is the row's name."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    footer: tuple[tuple[TableCell, ...], ...] = ()


@dataclass(frozen=True)
class Partition:
    """One way to part the cases, with a table for each metric."""

    title: str
    groups: tuple[Group, ...]
    tables: tuple[ReportTable, ...]


SEGMENTATION = {
    "rank": "Rank", "team": "Team", "range": "95 % of ranks", "score": "Score", "dice": "Dice", "vs": "VS",
    "hd95": "HD95 mm", "ed": "ED", "ed_floor": "ED floor", "b0": "|Δb0|", "b1": "|Δb1|", "b2": "|Δb2|",
    "penalties": "Penalties",
}  # fmt: skip
BIOMETRY = {
    "rank": "Rank", "team": "Team", "range": "95 % of ranks", "mape": "MAPE %",
    **{str(m): f"{m} %" for m in MEASUREMENTS}, "penalties": "Penalties",
}  # fmt: skip


def segmentation_table(leaderboard: LeaderboardGroup) -> ReportTable:
    """The cohort's leaderboard of the segmentation task."""
    return _leaderboard("Segmentation", SEGMENTATION, leaderboard)


def biometry_table(leaderboard: LeaderboardGroup) -> ReportTable:
    """The cohort's leaderboard of the biometry task; reference rows in the footer."""
    return _leaderboard("Biometry", BIOMETRY, leaderboard)


def team_labels(leaderboard: LeaderboardGroup) -> list[tuple[int, str]]:
    """Team index and "place name", best first: how every other table and plot numbers the teams."""
    return [
        (t, f"{place}\u00a0{leaderboard.ranking.teams[t]}")
        for place, t in enumerate(leaderboard.ranking.order(), start=1)
    ]


def significance_maps(results: Results) -> list[ReportTable]:
    """A map for each test: "better" where the row's team is significantly better than the column's."""
    return [_significance_map(results, test) for test in results.significance]


def partitions(results: Results) -> list[Partition]:
    """Tables of each metric's mean by site, domain, field strength, …; for sites, of the ranks too."""
    found = []
    for title, groups in by_attribute(results.table).items():
        tables = [*_rank_tables(results)] if title == "Site" else []
        found.append(Partition(title, tuple(groups), (*tables, *_mean_tables(results, groups))))
    return found


def tissue_tables(results: Results) -> list[ReportTable]:
    """For each ranked metric: teams × tissues."""
    means = label_means(results.table)
    rows = team_labels(results.segmentation[0])
    headings = tuple(f"{int(t)} {t.name if t.name != 'ECSF' else 'eCSF'}" for t in TISSUES)
    return [
        heat_table(
            METRIC_TITLES[metric],
            headings,
            [(label, [means[results.table.teams[t]][tissue.name][metric] for tissue in TISSUES]) for t, label in rows],
            metric,
        )
        for metric in RANKED_METRICS
    ]


def penalty_table(results: Results) -> ReportTable | None:
    """How many labels and lengths of each team got a penalty, by reason; None where there are none."""
    reasons = sorted({reason for counts in results.penalties.values() for reason in counts})
    if not reasons:
        return None
    rows = []
    for t, label in team_labels(results.segmentation[0]):
        counts = results.penalties[results.table.teams[t]]
        rows.append((_text(label), *(_text(str(counts.get(reason, 0))) for reason in reasons)))
    return ReportTable("Penalties by reason", tuple(reasons), tuple(rows))


def heat_table(
    title: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]], metric: str
) -> ReportTable:
    """Numbers on a ground that is darker the better they are; the numbers alone say everything, too."""
    # By their order, not their size: one penalty would make all others look alike.
    numbers = sorted({value for _, values in rows for value in values if value is not None})
    ordered = numbers if metric in HIGHER_IS_BETTER else numbers[::-1]
    shades = {value: round(DARKEST * i / max(1, len(ordered) - 1), 3) for i, value in enumerate(ordered)}

    def cell(value: float | None) -> TableCell:
        return TableCell("–", "") if value is None else TableCell(_number(metric, value), repr(value), shades[value])

    return ReportTable(
        title, tuple(headings), tuple((_text(label), *(cell(value) for value in values)) for label, values in rows)
    )


def _leaderboard(title: str, columns: dict[str, str], leaderboard: LeaderboardGroup) -> ReportTable:
    def cells(row: Row) -> tuple[TableCell, ...]:
        return tuple(_range(row) if key == "range" else _value(key, row.get(key)) for key in columns)

    ranked = tuple(cells(row) for row in leaderboard.rows if row["rank"] is not None)
    unranked = tuple(cells(row) for row in leaderboard.rows if row["rank"] is None)
    return ReportTable(title, tuple(columns.values()), ranked, unranked)


def _significance_map(results: Results, test: Significance) -> ReportTable:
    leaderboard = results.biometry[0] if test.metric == "mape" else results.segmentation[0]
    labels = team_labels(leaderboard)
    rows = []
    for t, label in labels:
        cells = [TableCell("" if t == other else p_value(float(test.p[t, other])), "", float(test.better[t, other]))
                 for other, _ in labels]  # fmt: skip
        rows.append((_text(label), *cells))
    return ReportTable(METRIC_TITLES[test.metric], tuple(str(i) for i in range(1, len(labels) + 1)), tuple(rows))


def p_value(p: float) -> str:
    """A p-value as it is printed, without its leading zero: ``<.001``, ``.021``, ``.34``, ``1``."""
    if p < 0.001:
        return "<.001"
    text = f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return "1" if text == "1.00" else text.removeprefix("0")


def _rank_tables(results: Results) -> list[ReportTable]:
    tables = []
    for title, leaderboards in (("Rank, segmentation", results.segmentation), ("Rank, biometry", results.biometry)):
        sites = leaderboards[1:]
        if sites:
            rows = [(label, [float(b.ranking.rank[t]) for b in sites]) for t, label in team_labels(leaderboards[0])]
            tables.append(heat_table(title, [_heading(b.group) for b in sites], rows, "rank"))
    return tables


def _mean_tables(results: Results, groups: Sequence[Group]) -> list[ReportTable]:
    means = [metric_means(results.table, group) for group in groups]
    headings = [_heading(group) for group in groups]
    tables = []
    for metric in (*RANKED_METRICS, "mape"):
        leaderboard = results.biometry[0] if metric == "mape" and results.biometry else results.segmentation[0]
        rows = [
            (label, [mean[results.table.teams[t]].get(metric) for mean in means])
            for t, label in team_labels(leaderboard)
        ]
        if any(value is not None for _, values in rows for value in values):
            tables.append(heat_table(METRIC_TITLES[metric], headings, rows, metric))
    return tables


def _heading(group: Group) -> str:
    return f"{group.name}\n({group.size})"


def _number(metric: str, value: float) -> str:
    return f"{value:.{0 if metric == 'rank' else DIGITS.get(metric, 2)}f}"


def _text(text: str) -> TableCell:
    return TableCell(text, text)


def _value(key: str, value: Cell) -> TableCell:
    if value is None:
        return TableCell("–", "")
    if isinstance(value, float):
        return TableCell(_number(key, value), repr(value))
    return TableCell(str(value), str(value))


def _range(row: Row) -> TableCell:
    low, high = row.get("rank_low"), row.get("rank_high")
    if low is None:
        return TableCell("not ranked", "")
    return TableCell(f"{low}" if low == high else f"{low}–{high}", str(low))


def run_table(runs: Mapping[str, TeamRun]) -> ReportTable | None:
    """A row for each team; a column for each way in which any case ended. None where no runner was at work."""
    if not runs:
        return None
    states = _states(runs)
    headings = ("Called as", "Device", "Time", *(state.value for state in states), "Exceptions")
    rows = []
    for team, run in runs.items():
        granted = ", ".join(run.exceptions) or "none"
        counts = (str(run.cases.get(state.value, 0)) for state in states)
        words = (team, run.convention, run.device or "–", clock(run.seconds), *counts)
        why = f" ({run.why})" if run.why else ""
        rows.append(tuple(TableCell(text, text) for text in (*words, granted + why)))
    return ReportTable("Containers", headings, tuple(rows))


def run_words(runs: Mapping[str, TeamRun]) -> list[tuple[str, str]]:
    """Each state that occurs, and what it means."""
    return [(state.value, MEANING[state]) for state in _states(runs) if state in MEANING]


def _states(runs: Mapping[str, TeamRun]) -> list[CaseState]:
    return [state for state in CaseState if any(run.cases.get(state.value) for run in runs.values())]
