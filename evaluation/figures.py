"""Every plot of the report, with the words that stand for it where it can't be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from evaluation.drawing import data_uri
from evaluation.groups import Group
from evaluation.leaderboard import Board
from evaluation.plots import (
    METRIC_TITLES,
    bland_altman_plot,
    blob_plot,
    group_plot,
    length_plot,
    podium_plot,
    tissue_plot,
)
from evaluation.ranking import Floats, as_costs, min_ranks
from evaluation.reference import INTER_RATER
from evaluation.results import Results
from evaluation.table import RANKED_METRICS, ScoreTable
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS


@dataclass(frozen=True)
class Plot:
    """A plot as a data URI, its alternative text, its caption, and a heading."""

    uri: str
    alt: str
    caption: str
    title: str = ""


def blob(board: Board, task: str) -> Plot:
    """Ranks over the bootstrap."""
    tau = float(board.stability.tau.mean())
    return _plot(
        blob_plot(board),
        f"Blob plot: how often each team got each rank in {task}; the rank ranges stand in the leaderboard.",
        "A blob's area is the share of bootstrap samples in which a team got that rank, the line holds 95 % of them, "
        f"the bar is the rank on all cases. Mean Kendall's τ between the samples and the leaderboard: {tau:.2f}.",
    )


def podium(results: Results, board: Board, task: str) -> Plot:
    """Who comes first, second, … in how many cases."""
    costs = segmentation_costs(results.table) if task == "segmentation" else biometry_costs(results.table)
    return _plot(
        podium_plot(costs, board),
        f"Podium plot of {task}: places that teams take in each case, and how many times.",
        "Each line is a case; it passes through every team at the place that the team took in it. Below: in how many "
        "cases a team took each place. Teams stand in the leaderboard's order within each place.",
    )


def tissues(results: Results) -> list[Plot]:
    """Distributions of the ranked metrics over cases, by tissue."""
    order = results.segmentation[0].ranking.order()
    floor = " The dashed line is the median ED of a perfect prediction." if results.euler == "table" else ""
    return [
        _plot(
            tissue_plot(results.table, metric, order),
            f"Box plots of {METRIC_TITLES[metric]} by tissue and team; the means stand in the table above.",
            f"{METRIC_TITLES[metric]} of each case, by tissue and team." + (floor if metric == "ed" else ""),
            METRIC_TITLES[metric],
        )
        for metric in RANKED_METRICS
    ]


def groups(results: Results, title: str, members: tuple[Group, ...]) -> Plot:
    """Means of the teams in each group of one partition."""
    order = results.segmentation[0].ranking.order()
    return _plot(
        group_plot(results.table, list(members), order),
        f"Means of each team by {title.lower()}; the numbers stand in the tables beside.",
        f"Means by {title.lower()}.",
    )


def lengths(results: Results) -> list[Plot]:
    """Relative errors of the lengths, then a Bland–Altman plot for each."""
    if not results.biometry:
        return []
    board = results.biometry[0]
    rater = next((r for r in results.references if r.name == INTER_RATER and r.lengths is not None), None)
    shaded = " The shaded band holds 95 % of the second rater's differences." if rater else ""
    errors = _plot(
        length_plot(results.table, board, results.references),
        "Box plots of the relative error of each length by team; the means stand in the biometry leaderboard.",
        "Absolute relative error of each case, by length and team, with the mean errors of the reference rows as lines.",
        "Relative errors",
    )
    return [errors] + [
        _plot(
            bland_altman_plot(results.table, board, k, rater),
            f"Bland–Altman plots of {MEASUREMENT_NAMES[m]}, one panel a team.",
            f"Bland–Altman, {m} ({MEASUREMENT_NAMES[m]}): bias (solid), limits that hold 95 % of the differences "
            f"(dashed).{shaded} Missing lengths are not drawn.",
            f"Bland–Altman: {m}, {MEASUREMENT_NAMES[m]}",
        )
        for k, m in enumerate(MEASUREMENTS)
        if np.isfinite(results.table.true_lengths[:, k]).any()
    ]


def segmentation_costs(table: ScoreTable) -> Floats:
    """(T, C): mean over the four metrics of a team's rank in the case, by the case's mean over labels."""
    return min_ranks(as_costs(table).mean(axis=2), axis=0).mean(axis=2)


def biometry_costs(table: ScoreTable) -> Floats:
    """(T, C of those with a true length): mean over the lengths of a team's rank in the case."""
    known = np.isfinite(table.true_lengths)
    ranks = np.where(known, min_ranks(np.where(known, table.length_errors, 0.0), axis=0), 0)
    measured = known.any(axis=1)
    return ranks[:, measured].sum(axis=2) / known[measured].sum(axis=1)


def _plot(figure: Figure, alt: str, caption: str, title: str = "") -> Plot:
    return Plot(data_uri(figure), alt, caption, title)
