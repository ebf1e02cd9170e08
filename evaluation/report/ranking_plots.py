"""Plots of a ranking: the blob plot of its bootstrap, and podium plots of its cases."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from evaluation.ranking.leaderboard import LeaderboardGroup
from evaluation.ranking.schemes import Floats, min_ranks
from evaluation.report.style import COLOURS, QUIET, STYLE, colour, marker, new_figure, numbered, scale_y
from evaluation.scoring.score_table import HIGHER_IS_BETTER

MARKER_AREA = 170.0
BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9cc7e2"])


def blob_plot(leaderboard: LeaderboardGroup) -> Figure:
    """How often each team got each rank in the bootstrap: area is frequency, the line holds 95 %."""
    order = leaderboard.ranking.order()
    low, high, shares = leaderboard.stability.low, leaderboard.stability.high, leaderboard.stability.frequency
    with mpl.rc_context(STYLE):
        figure = new_figure(0.9 + 0.3 * len(order))
        axes = figure.subplots()
        for place, team in enumerate(order):
            if leaderboard.stability.told:
                seen = np.flatnonzero(shares[team])
                axes.plot([low[team], high[team]], [place, place], color=QUIET, zorder=1)
                axes.scatter(
                    seen + 1, np.full(len(seen), place), s=MARKER_AREA * shares[team, seen], color=COLOURS[0], zorder=2
                )
            axes.plot(
                leaderboard.ranking.rank[team], place, "|", color=COLOURS[1], markersize=14, markeredgewidth=2, zorder=3
            )
        axes.set_yticks(range(len(order)), numbered(leaderboard.ranking))
        axes.set_xticks(range(1, len(order) + 1))
        axes.set_xlim(0.5, len(order) + 0.5)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlabel("rank")
    return figure


def podium_plot(values: Floats, metric: str, leaderboard: LeaderboardGroup) -> Figure:
    """Each case as a line through its teams, from the first place to the last; below, how often a team took each.

    Args:
        values: (T, C) float64, one number a case for each team.
    """
    order = leaderboard.ranking.order()
    values = values[order]
    places = min_ranks(-values if metric in HIGHER_IS_BETTER else values, axis=0)
    teams, cases = places.shape
    across = places + (np.arange(teams)[:, None] - (teams - 1) / 2) * 0.8 / teams
    with mpl.rc_context(STYLE):
        figure = new_figure(3.2 + 0.24 * teams)
        upper, lower = figure.subplots(2, 1, height_ratios=[2.2, 0.5 + 0.24 * teams], sharex=True)
        path = np.argsort(across, axis=0)
        lines = [np.column_stack([across[path[:, c], c], values[path[:, c], c]]) for c in range(cases)]
        upper.add_collection(LineCollection(lines, colors=QUIET, linewidths=0.4, alpha=0.5))
        for t in range(teams):
            upper.plot(across[t], values[t], marker(t), color=colour(t), markersize=2.6, markeredgewidth=0)
        scale_y(upper, metric, float(values.max(initial=0.0)))
        _place_counts(lower, places, numbered(leaderboard.ranking, 18))
    return figure


def _place_counts(axes: Axes, places: npt.NDArray[np.int_], names: list[str]) -> None:
    """Teams × places: in how many cases; each team's marker beside its name serves as the legend."""
    teams = len(places)
    counts = np.stack([(places == place).sum(axis=1) for place in range(1, teams + 1)], axis=1)
    axes.imshow(counts, cmap=BLUES, aspect="auto", extent=(0.5, teams + 0.5, teams - 0.5, -0.5))
    for (t, place), count in np.ndenumerate(counts):
        if count:
            axes.text(place + 1, t, str(count), ha="center", va="center", fontsize=8 if teams <= 10 else 6.5)
    for t in range(teams):
        axes.plot(0.5 - 0.02 * teams, t, marker(t), color=colour(t), markersize=4.5, clip_on=False)
    axes.grid(visible=False)
    axes.set_yticks(range(teams), names, fontsize=8)
    axes.tick_params(axis="y", length=0, pad=14)
    axes.set_xticks(range(1, teams + 1))
    axes.set_xlim(0.5, teams + 0.5)
    axes.set_xlabel("place in the case; the number of cases stands in the field")
