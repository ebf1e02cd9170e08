"""Everything a leaderboard is made of, computed once and then written in several forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluation.choices import Euler, RankingScheme
from evaluation.ranking.baselines import Reference
from evaluation.ranking.groups import Group, by_attribute
from evaluation.ranking.leaderboard import LeaderboardGroup, biometry_leaderboards, segmentation_leaderboards
from evaluation.ranking.schemes import SCHEMES, Ranking, rank
from evaluation.ranking.stability import (
    BOOTSTRAPS,
    LEVEL,
    Significance,
    biometry_significance,
    kendall_tau,
    segmentation_significance,
)
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import RANKED_METRICS, SEGMENTATION_METRICS, ScoreTable
from evaluation.submissions.reasons import NOT_A_FAULT
from feta.labels import TISSUES

FORMAT = "feta-results/1"
#: The library whose HD95 ours is, and FeTA's since 2022; FeTA 2021 used another (docs/explanation/editions.md).
HD95_TOOL = "surface-distance"


@dataclass(frozen=True)
class Results:
    """The table, its rankings and what stands beside them.

    Attributes:
        segmentation, biometry: leaderboards, the cohort's first; empty where the truth has nothing to rank by.
        agreement: scheme → Kendall's tau of its ranking with the one in force, for each task.
        penalties: team → reason code → number of labels of a case and of lengths that got a penalty.
    """

    table: ScoreTable
    messages: ScoringMessages
    scheme: RankingScheme
    euler: Euler
    seed: int
    segmentation: tuple[LeaderboardGroup, ...]
    biometry: tuple[LeaderboardGroup, ...]
    significance: tuple[Significance, ...]
    agreement: dict[str, dict[str, float]]
    references: tuple[Reference, ...]
    penalties: dict[str, dict[str, int]]


def compute_results(
    table: ScoreTable,
    messages: ScoringMessages,
    *,
    scheme: RankingScheme = "paper",
    seed: int = 0,
    references: Sequence[Reference] = (),
    euler: Euler = "table",
) -> Results:
    """Rank, test and count; see Results."""
    lengths = biometry_significance(table)
    return Results(
        table=table,
        messages=messages,
        scheme=scheme,
        euler=euler,
        seed=seed,
        segmentation=tuple(segmentation_leaderboards(table, scheme, seed)),
        biometry=tuple(biometry_leaderboards(table, scheme, seed, references)),
        significance=(*segmentation_significance(table), *((lengths,) if lengths else ())),
        agreement=_agreement(table, scheme),
        references=tuple(references),
        penalties={team: _penalties(table, t) for t, team in enumerate(table.teams)},
    )


def unranked_results(
    table: ScoreTable, messages: ScoringMessages, *, scheme: RankingScheme, seed: int, euler: Euler
) -> Results:
    """The table and what was said of it; no team is compared with another."""
    penalties = {team: _penalties(table, t) for t, team in enumerate(table.teams)}
    return Results(table, messages, scheme, euler, seed, (), (), (), {}, (), penalties)


def as_json(results: Results) -> dict[str, Any]:
    """results.json, as ``results.schema.json`` describes it; NaN becomes null."""
    table = results.table
    return {
        "format": FORMAT,
        "edition": results.messages.edition,
        "hd95": HD95_TOOL,
        "scheme": results.scheme,
        "euler": results.euler,
        "seed": results.seed,
        "bootstraps": BOOTSTRAPS,
        "level": LEVEL,
        "teams": list(table.teams),
        "cases": [asdict(case) for case in table.cases],
        "segmentation": [_leaderboard(leaderboard) for leaderboard in results.segmentation],
        "biometry": [_leaderboard(leaderboard) for leaderboard in results.biometry],
        "groups": _group_means(table),
        "significance": [
            {"metric": s.metric, "p": s.p.tolist(), "better": s.better.tolist()} for s in results.significance
        ],
        "agreement": results.agreement,
        "references": [{"name": r.name, "source": r.source} for r in results.references],
        "penalties": results.penalties,
        "notes": {team: list(lines) for team, lines in results.messages.teams.items()},
        "warnings": list(results.messages.warnings),
        "policy": dict(results.messages.policy),
        "versions": dict(results.messages.versions),
        "command": results.messages.command,
        "confidence": {team: asdict(score) for team, score in results.messages.confidence.items()},
        "runs": {team: asdict(run) for team, run in results.messages.runs.items()},
    }


def metric_means(table: ScoreTable, group: Group) -> dict[str, dict[str, float]]:
    """Team → metric → mean over cases and labels of a group; "mape" where the truth has lengths, others where maps."""
    known = np.isfinite(table.true_lengths[group.members])
    mapped = group.members & table.mapped
    means: dict[str, dict[str, float]] = {team: {} for team in table.teams}
    for t, team in enumerate(table.teams):
        if mapped.any():
            values = table.counted[t, mapped].mean(axis=(0, 1))
            means[team] |= {metric: float(values[k]) for k, metric in enumerate(SEGMENTATION_METRICS)}
        if known.any():
            means[team]["mape"] = float(table.counted_errors[t, group.members][known].mean())
    return means


def label_means(table: ScoreTable) -> dict[str, dict[str, dict[str, float]]]:
    """Team → tissue → ranked metric → mean over all cases."""
    index = [SEGMENTATION_METRICS.index(metric) for metric in RANKED_METRICS]
    means = table.counted[:, table.mapped][..., index].mean(axis=1)
    return {
        team: {
            tissue.name: {metric: float(means[t, i, k]) for k, metric in enumerate(RANKED_METRICS)}
            for i, tissue in enumerate(TISSUES)
        }
        for t, team in enumerate(table.teams)
    }


def _group_means(table: ScoreTable) -> list[dict[str, Any]]:
    return [
        {"by": title, "group": group.name, "cases": group.size, "teams": metric_means(table, group)}
        for title, groups in by_attribute(table).items()
        for group in groups
    ]


def _leaderboard(leaderboard: LeaderboardGroup) -> dict[str, Any]:
    """A leaderboard as JSON; without shares, and with null for tau, where the bootstrap can't tell."""
    stability = leaderboard.stability
    shares = zip(leaderboard.ranking.teams, stability.frequency.tolist(), strict=True) if stability.told else ()
    return {
        "site": leaderboard.group.name,
        "cases": leaderboard.group.size,
        "rows": [dict(row) for row in leaderboard.rows],
        "rank_frequency": dict(shares),
        "kendall_tau": {
            "mean": float(stability.tau.mean()) if stability.told else None,
            "low": float(np.percentile(stability.tau, 2.5)) if stability.told else None,
        },
    }


def _agreement(table: ScoreTable, scheme: RankingScheme) -> dict[str, dict[str, float]]:
    used = rank(table, scheme)
    agreement: dict[str, dict[str, float]] = {}
    for other in SCHEMES:
        pairs = zip(("segmentation", "biometry"), used, rank(table, other), strict=True)
        agreement[other] = {task: _tau(a, b) for task, a, b in pairs if a is not None and b is not None}
    return agreement


def _tau(one: Ranking, other: Ranking) -> float:
    return float(kendall_tau(other.rank[None], one.rank)[0])


def _penalties(table: ScoreTable, team: int) -> dict[str, int]:
    """Reason code → number of labels of a case, or of lengths; what is nobody's fault is not counted."""
    labels = [set(row.tolist()) for row in table.reasons[team].reshape(-1, len(SEGMENTATION_METRICS))]
    lengths = [{reason} for reason in table.length_reasons[team].ravel().tolist()]
    counts = Counter(reason for found in [*labels, *lengths] for reason in found - NOT_A_FAULT)
    return dict(sorted(counts.items()))
