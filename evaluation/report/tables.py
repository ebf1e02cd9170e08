"""The report's tables, as plain rows of text: the template only lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.ranking.groups import Group, by_attribute
from evaluation.ranking.leaderboard import LeaderboardGroup, Row
from evaluation.ranking.results import Results, label_means, metric_means
from evaluation.ranking.stability import Significance
from evaluation.report.cells import ReportTable, TableCell, heat_table, p_value, text_cell, value_cell
from evaluation.report.style import METRIC_TITLES
from evaluation.scoring.score_table import RANKED_METRICS
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

SEGMENTATION = {
    "rank": "Rank", "team": "Team", "range": "95 % of ranks", "score": "Score", "dice": "Dice", "vs": "VS",
    "hd95": "HD95 mm", "ed": "ED", "ed_floor": "ED floor", "b0": "|Δb0|", "b1": "|Δb1|", "b2": "|Δb2|",
    "penalties": "Penalties",
}  # fmt: skip
BIOMETRY = {
    "rank": "Rank", "team": "Team", "range": "95 % of ranks", "mape": "MAPE %",
    **{str(m): f"{m} %" for m in MEASUREMENTS}, "penalties": "Penalties",
}  # fmt: skip


#: In place of a range where every bootstrap sample is the same.
NOT_TOLD = "can't be told"


@dataclass(frozen=True)
class Partition:
    """One way to part the cases, with a table for each metric."""

    title: str
    groups: tuple[Group, ...]
    tables: tuple[ReportTable, ...]


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
        rows.append((text_cell(label), *(text_cell(str(counts.get(reason, 0))) for reason in reasons)))
    return ReportTable("Penalties by reason", tuple(reasons), tuple(rows))


def _leaderboard(title: str, columns: dict[str, str], leaderboard: LeaderboardGroup) -> ReportTable:
    def cells(row: Row) -> tuple[TableCell, ...]:
        return tuple(_range(row) if key == "range" else value_cell(key, row.get(key)) for key in columns)

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
        rows.append((text_cell(label), *cells))
    return ReportTable(METRIC_TITLES[test.metric], tuple(str(i) for i in range(1, len(labels) + 1)), tuple(rows))


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


def _range(row: Row) -> TableCell:
    low, high = row.get("rank_low"), row.get("rank_high")
    if low is None:
        return TableCell("not ranked" if row["rank"] is None else NOT_TOLD, "")
    return TableCell(f"{low}" if low == high else f"{low}–{high}", str(low))
