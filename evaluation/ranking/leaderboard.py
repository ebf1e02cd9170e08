"""Leaderboards as rows: the whole cohort first, then each site; CSV, terminal and report print the same."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.choices import RankingScheme
from evaluation.ranking.baselines import Reference
from evaluation.ranking.groups import Group, by_site
from evaluation.ranking.schemes import Ranking, RankingUnits, biometry_units, rank_units, segmentation_units
from evaluation.ranking.stability import Stability, bootstrap
from evaluation.scoring.score_table import RANKED_METRICS, SEGMENTATION_METRICS, ScoreTable
from evaluation.submissions.reasons import NOT_A_FAULT
from feta.measurements import MEASUREMENTS

Cell = str | int | float | None
Row = dict[str, Cell]

SEGMENTATION_COLUMNS = (
    "site", "rank", "team", "score", "rank_low", "rank_high", "dice", "vs", "hd95", "ed", "ed_floor", "b0", "b1", "b2",
    *(f"{metric}_rank" for metric in RANKED_METRICS), "cases", "penalties",
)  # fmt: skip
BIOMETRY_COLUMNS = (
    "site", "rank", "team", "score", "rank_low", "rank_high", "mape", *map(str, MEASUREMENTS), "cases", "penalties",
)  # fmt: skip


#: What a spreadsheet takes for a formula, after any number of apostrophes; the wide signs in eastern ones.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True)
class LeaderboardGroup:
    """One task's ranking over one group of cases; rows are in the order of the ranks."""

    group: Group
    ranking: Ranking
    stability: Stability
    rows: tuple[Row, ...]


def segmentation_leaderboards(table: ScoreTable, scheme: RankingScheme, seed: int) -> list[LeaderboardGroup]:
    """The cohort's leaderboard, then one for each site."""
    units = segmentation_units(table, scheme)
    leaderboards = (_leaderboard(table, units, scheme, group, seed) for group in by_site(table))
    return [
        LeaderboardGroup(
            b.group, b.ranking, b.stability, tuple(_segmentation_row(table, b, t) for t in b.ranking.order())
        )
        for b in leaderboards
        if b is not None
    ]


def biometry_leaderboards(
    table: ScoreTable, scheme: RankingScheme, seed: int, references: Sequence[Reference] = ()
) -> list[LeaderboardGroup]:
    """The same for the lengths, with the unranked reference rows at the end of each leaderboard."""
    units = biometry_units(table, scheme)
    leaderboards = (_leaderboard(table, units, scheme, group, seed) for group in by_site(table))
    return [
        LeaderboardGroup(
            b.group, b.ranking, b.stability, (*_biometry_rows(table, b), *_reference_rows(table, b.group, references))
        )
        for b in leaderboards
        if b is not None
    ]


def faults(reasons: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """Which reasons stand for a penalty."""
    return ~np.isin(reasons, sorted(NOT_A_FAULT))


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> str:
    """CSV text with a header; empty where a value is None."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_safe(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def _safe(cell: Cell) -> str | int | float | None:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection).

    So does text that looks like the outcome of that, or two texts would become one; ``as_typed`` takes it off again.
    """
    return "'" + cell if isinstance(cell, str) and _FORMULA.match(cell) else cell


def as_typed(cell: str) -> str:
    """The text that ``as_csv`` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _leaderboard(
    table: ScoreTable, units: RankingUnits, scheme: RankingScheme, group: Group, seed: int
) -> LeaderboardGroup | None:
    ranking = rank_units(units, table.teams, scheme, group.members)
    if ranking is None:
        return None
    sites = [case.site for case in table.cases]
    return LeaderboardGroup(group, ranking, bootstrap(units, sites, group.members, ranking.rank, seed=seed), ())


def _common(leaderboard: LeaderboardGroup, team: int) -> Row:
    return {
        "site": leaderboard.group.name,
        "rank": int(leaderboard.ranking.rank[team]),
        "team": leaderboard.ranking.teams[team],
        "score": float(leaderboard.ranking.score[team]),
        "rank_low": int(leaderboard.stability.low[team]) if leaderboard.stability.told else None,
        "rank_high": int(leaderboard.stability.high[team]) if leaderboard.stability.told else None,
        "cases": leaderboard.group.size,
    }


def _segmentation_row(table: ScoreTable, leaderboard: LeaderboardGroup, team: int) -> Row:
    members = leaderboard.group.members & table.mapped
    means = table.counted[team, members].mean(axis=(0, 1))
    row = _common(leaderboard, team) | {"cases": int(members.sum())}
    row |= {metric: float(means[k]) for k, metric in enumerate(SEGMENTATION_METRICS)}
    row |= {
        f"{metric}_rank": float(leaderboard.ranking.column_ranks[team, k]) for k, metric in enumerate(RANKED_METRICS)
    }
    row["ed_floor"] = float(table.ed_floor[members].mean())
    row["penalties"] = int(faults(table.reasons[team, members]).any(axis=-1).sum())
    return row


def _biometry_rows(table: ScoreTable, leaderboard: LeaderboardGroup) -> list[Row]:
    members = leaderboard.group.members
    known = np.isfinite(table.true_lengths[members])
    rows = []
    for team in leaderboard.ranking.order():
        errors = table.counted_errors[team, members]
        row = _common(leaderboard, team) | {"cases": int(known.any(axis=1).sum())}
        row["mape"] = float(errors[known].mean())
        row |= {str(m): float(errors[known[:, k], k].mean()) for k, m in enumerate(MEASUREMENTS) if known[:, k].any()}
        row["penalties"] = int(faults(table.length_reasons[team, members]).sum())
        rows.append(row)
    return rows


def _reference_rows(table: ScoreTable, group: Group, references: Sequence[Reference]) -> list[Row]:
    rows: list[Row] = []
    for reference in references:
        means = reference.mape(table, group.members)
        if means is not None:
            rows.append({"site": group.name, "rank": None, "team": reference.name, **means})
    return rows
