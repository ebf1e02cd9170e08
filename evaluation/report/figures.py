"""Every plot of the report, with the words that stand for it where it can't be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from evaluation.ranking.baselines import INTER_RATER
from evaluation.ranking.groups import Group
from evaluation.ranking.leaderboard import LeaderboardGroup
from evaluation.ranking.results import Results
from evaluation.ranking.stability import case_errors
from evaluation.report.length_plots import bland_altman_plot, length_plot
from evaluation.report.ranking_plots import blob_plot, podium_plot
from evaluation.report.score_plots import group_plot, tissue_plot
from evaluation.report.style import METRIC_TITLES, data_uri
from evaluation.scoring.score_table import RANKED_METRICS, SEGMENTATION_METRICS
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS


@dataclass(frozen=True)
class Plot:
    """A plot as a data URI, with its heading, alternative text and caption."""

    title: str
    uri: str
    alt: str
    caption: str


def blobs(results: Results) -> list[Plot]:
    """Ranks over the bootstrap, a plot a task."""
    leaderboards = {"Segmentation": results.segmentation, "Biometry": results.biometry}
    return [_blob(found[0], task) for task, found in leaderboards.items() if found]


def podiums(results: Results) -> list[Plot]:
    """Who comes first, second, … in how many cases, a plot a metric."""
    means = results.table.counted[:, results.table.mapped].mean(axis=2)
    plots = [
        _podium(means[..., SEGMENTATION_METRICS.index(metric)], metric, results.segmentation[0])
        for metric in RANKED_METRICS
    ]
    errors = case_errors(results.table)
    if errors is not None:
        plots.append(_podium(errors, "mape", results.biometry[0]))
    return plots


def tissues(results: Results) -> list[Plot]:
    """Distributions of the ranked metrics over cases, by tissue."""
    ranking = results.segmentation[0].ranking
    floor = " The dashed line is the median ED of a perfect prediction."
    return [
        _plot(
            tissue_plot(results.table, metric, ranking),
            METRIC_TITLES[metric],
            f"Box plots of {METRIC_TITLES[metric]} by tissue and team; the means stand in the table above.",
            f"{METRIC_TITLES[metric]} of each case, by tissue and team." + (floor if metric == "ed" else ""),
        )
        for metric in RANKED_METRICS
    ]


def groups(results: Results, title: str, members: tuple[Group, ...]) -> Plot:
    """Means of the teams in each group of one partition."""
    return _plot(
        group_plot(results.table, members, results.segmentation[0].ranking),
        title,
        f"Means of each team by {title.lower()}; the numbers stand in the tables above.",
        f"Means by {title.lower()}, teams numbered as on the segmentation leaderboard.",
    )


def lengths(results: Results) -> list[Plot]:
    """Relative errors of the lengths, then a Bland–Altman plot for each."""
    if not results.biometry:
        return []
    errors = _plot(
        length_plot(results.table, results.biometry[0], results.references),
        "Relative errors",
        "Box plots of the relative error of each length by team; the means stand in the biometry leaderboard.",
        "Error of each case, by length and team; the mean errors of the reference rows as lines.",
    )
    known = np.isfinite(results.table.true_lengths).any(axis=0)
    return [errors, *(_bland_altman(results, int(k)) for k in np.flatnonzero(known))]


def _blob(leaderboard: LeaderboardGroup, task: str) -> Plot:
    tau = float(leaderboard.stability.tau.mean())
    caption = (
        "A blob's area is the share of bootstrap samples in which a team got that rank, the line holds 95 % of them, "
        f"the bar is the rank on all cases. Mean Kendall's τ of samples and leaderboard: {tau:.2f}."
    )
    if not leaderboard.stability.told:
        caption = "The bar is the rank on all cases. How far it is to be trusted can't be told: samples can't differ."
    return _plot(
        blob_plot(leaderboard),
        task,
        f"Blob plot of {task.lower()}: how often each team got each rank; the ranges stand in the leaderboard.",
        caption,
    )


def _podium(values: np.ndarray, metric: str, leaderboard: LeaderboardGroup) -> Plot:
    return _plot(
        podium_plot(values, metric, leaderboard),
        METRIC_TITLES[metric],
        f"Podium plot of {METRIC_TITLES[metric]}: places that teams took in each case, and in how many cases.",
        "A grey line is a case; it meets each team at the place that the team took in it.",
    )


def _bland_altman(results: Results, k: int) -> Plot:
    measurement = MEASUREMENTS[k]
    name = MEASUREMENT_NAMES[measurement]
    rater = next((r for r in results.references if r.name == INTER_RATER and r.lengths is not None), None)
    shaded = " The shaded band holds 95 % of the second rater's differences." if rater else ""
    return _plot(
        bland_altman_plot(results.table, results.biometry[0], k, rater),
        f"Bland–Altman, {measurement}",
        f"Bland–Altman plots of the {name}, a panel a team.",
        f"{name}: bias (solid), limits that hold 95 % of differences (dashed).{shaded} Missing lengths are not drawn.",
    )


def _plot(figure: Figure, title: str, alt: str, caption: str) -> Plot:
    return Plot(title, data_uri(figure), alt, caption)
