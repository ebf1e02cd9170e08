"""Plots of rankings (blob, podium) and of scores (tissues, groups, lengths)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from evaluation.drawing import COLOURS, QUIET, STYLE, boxes, colour, marker, new_figure, plain_numbers, short
from evaluation.groups import Group
from evaluation.leaderboard import Board
from evaluation.ranking import Floats, min_ranks
from evaluation.reference import Reference
from evaluation.results import metric_means
from evaluation.table import SEGMENTATION_METRICS, ScoreTable
from feta.labels import TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS

METRIC_TITLES = {
    "dice": "Dice",
    "vs": "Volume similarity",
    "hd95": "HD95, mm",
    "ed": "Euler difference",
    "mape": "MAPE, %",
}
#: Beyond these, axes go on logarithmically: a penalty must not flatten everything else.
LINEAR_UP_TO = {"hd95": 5.0, "ed": 20.0, "mape": 20.0}
MARKER_AREA = 170.0


def blob_plot(board: Board) -> Figure:
    """How often each team got each rank in the bootstrap: area is frequency, the line holds 95 %."""
    order = board.ranking.order()
    with mpl.rc_context(STYLE):
        figure = new_figure(7.0, 0.9 + 0.32 * len(order))
        axes = figure.subplots()
        for place, team in enumerate(order):
            shares = board.stability.frequency[team]
            seen = np.flatnonzero(shares)
            axes.plot([board.stability.low[team], board.stability.high[team]], [place, place], color=QUIET, zorder=1)
            axes.scatter(seen + 1, np.full(len(seen), place), s=MARKER_AREA * shares[seen], color=colour(0), zorder=2)
            axes.plot(
                board.ranking.rank[team], place, "|", color=COLOURS[1], markersize=14, markeredgewidth=2, zorder=3
            )
        axes.set_yticks(range(len(order)), [short(board.ranking.teams[team]) for team in order])
        axes.set_xticks(range(1, len(order) + 1))
        axes.set_xlim(0.5, len(order) + 0.5)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlabel("rank")
    return figure


def podium_plot(costs: Floats, board: Board) -> Figure:
    """Each case's order of the teams as a line over the places, and how often a team took each place.

    Args:
        costs: (T, C) float64, smaller is better: what teams are compared by within a case.
    """
    order = board.ranking.order()
    places = min_ranks(costs[order], axis=0)
    teams, cases = places.shape
    slot = 0.8 / teams
    with mpl.rc_context(STYLE):
        figure = new_figure(max(7.0, 0.42 * teams + 3), 4.4)
        upper, lower = figure.subplots(2, 1, height_ratios=[2, 1], sharex=True)
        across = places + (np.arange(teams)[:, None] - (teams - 1) / 2) * slot
        # Two orderings draw a case's line from its first place to its last.
        path = np.argsort(across, axis=0)
        lines = [np.column_stack([across[path[:, c], c], costs[order][path[:, c], c]]) for c in range(cases)]
        upper.add_collection(LineCollection(lines, colors=QUIET, linewidths=0.4, alpha=0.5))
        for t, team in enumerate(order):
            label = f"{t + 1} {short(board.ranking.teams[team])}"
            upper.scatter(across[t], costs[team], s=9, color=colour(t), marker=marker(t), label=label, zorder=2)
            counts = [(places[t] == place).sum() for place in range(1, teams + 1)]
            lower.bar(np.arange(1, teams + 1) + (t - (teams - 1) / 2) * slot, counts, slot, color=colour(t))
        upper.set_ylabel("mean rank in the case")
        lower.set_ylabel("cases")
        lower.set_xticks(range(1, teams + 1))
        lower.set_xlabel("place in the case")
        figure.legend(*upper.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def tissue_plot(table: ScoreTable, metric: str, order: list[int]) -> Figure:
    """One panel a tissue, one box a team over cases; for ED, a dashed line at a perfect prediction's median."""
    values = table.values[..., SEGMENTATION_METRICS.index(metric)]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.4, 8.0)
        panels = figure.subplots(4, 2).ravel()
        panels[-1].set_axis_off()
        for i, (axes, tissue) in enumerate(zip(panels, TISSUES, strict=False)):
            boxes(axes, [values[team, :, i] for team in order], [str(place + 1) for place in range(len(order))])
            plain_numbers(axes, LINEAR_UP_TO.get(metric))
            if metric == "ed":
                axes.axhline(float(np.median(table.ed_floor[:, i])), color=COLOURS[1], linestyle="--", linewidth=1.2)
            axes.set_title(f"{int(tissue)} {TISSUE_NAMES[tissue]}")
        figure.supylabel(METRIC_TITLES[metric], fontsize=9)
        figure.supxlabel("team, numbered as on the leaderboard", fontsize=9)
    return figure


def group_plot(table: ScoreTable, groups: list[Group], order: list[int]) -> Figure:
    """Each team's mean in each group, a panel a metric."""
    means = [metric_means(table, group) for group in groups]
    metrics = [m for m in ("dice", "hd95", "ed", "mape") if any(m in one for mean in means for one in mean.values())]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.4, 5.0)
        for axes, metric in zip(figure.subplots(2, 2).ravel(), metrics, strict=False):
            for place, team in enumerate(order):
                name = table.teams[team]
                values = [mean[name].get(metric, np.nan) for mean in means]
                axes.plot(values, color=colour(place), marker=marker(place), linewidth=0.8, markersize=4,
                          label=f"{place + 1} {short(name)}")  # fmt: skip
            plain_numbers(axes, LINEAR_UP_TO.get(metric))
            axes.set_title(METRIC_TITLES[metric])
            axes.set_xticks(range(len(groups)), [short(group.name, 14) for group in groups])
            axes.tick_params(axis="x", labelrotation=20 if len(groups) > 3 else 0)
            axes.margins(x=0.1)
        for axes in figure.axes[len(metrics) :]:
            axes.set_axis_off()
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=3)
    return figure


def length_plot(table: ScoreTable, board: Board, references: tuple[Reference, ...]) -> Figure:
    """Relative errors of each length, a box a team; lines at the mean error of the reference rows."""
    order = board.ranking.order()
    lines = [(r.name, r.mape(table, board.group.members)) for r in references]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.4, 6.0)
        panels = figure.subplots(3, 2).ravel()
        panels[-1].set_axis_off()
        for k, (axes, measurement) in enumerate(zip(panels, MEASUREMENTS, strict=False)):
            known = np.isfinite(table.true_lengths[:, k])
            boxes(axes, [table.length_errors[t, known, k] for t in order], [str(p + 1) for p in range(len(order))])
            plain_numbers(axes, LINEAR_UP_TO["mape"])
            _reference_lines(axes, [(name, means.get(measurement)) for name, means in lines if means])
            axes.set_title(f"{measurement}: {MEASUREMENT_NAMES[measurement]}")
        figure.supylabel("absolute relative error, %", fontsize=9)
        figure.supxlabel("team, numbered as on the biometry leaderboard", fontsize=9)
        handles, labels = panels[0].get_legend_handles_labels()
        panels[-1].legend(handles, labels, loc="center", title="mean error of")
    return figure


def _reference_lines(axes: Axes, lines: list[tuple[str, float | None]]) -> None:
    for i, (name, value) in enumerate(lines):
        if value is not None:
            axes.axhline(value, color=COLOURS[1 + i], linestyle=("--", ":")[i % 2], linewidth=1.6, label=name)


def bland_altman_plot(table: ScoreTable, board: Board, k: int, rater: Reference | None) -> Figure:
    """Prediction − truth against their mean, a panel a team: bias, and the limits that hold 95 %.

    Args:
        k: index of the measurement.
        rater: a second rater whose own limits are shaded, where their lengths are known.
    """
    order = board.ranking.order()
    columns = min(4, len(order))
    rows = -(-len(order) // columns)
    differences = table.lengths[..., k] - table.true_lengths[None, :, k]
    with mpl.rc_context(STYLE):
        figure = new_figure(max(4.0, 1.85 * columns), 0.5 + 1.75 * rows)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(order) :]:
            axes.set_axis_off()
        for place, (axes, team) in enumerate(zip(panels, order, strict=False)):
            known = np.isfinite(differences[team])
            middle = (table.lengths[team, known, k] + table.true_lengths[known, k]) / 2
            _agreement_limits(axes, differences[team, known], rater, table, k)
            axes.scatter(middle, differences[team, known], s=7, color=colour(0), alpha=0.7, linewidths=0)
            axes.set_title(f"{place + 1} {short(board.ranking.teams[team], 16)}", fontsize=8)
        figure.supxlabel("mean of prediction and truth, mm", fontsize=9)
        figure.supylabel("prediction − truth, mm", fontsize=9)
    return figure


def _agreement_limits(axes: Axes, differences: Floats, rater: Reference | None, table: ScoreTable, k: int) -> None:
    if rater is not None and rater.lengths is not None:
        low, _, high = _limits(rater.lengths[:, k] - table.true_lengths[:, k])
        axes.axhspan(low, high, color="#e9ecef", zorder=0)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    if len(differences) > 1:
        for value, style in zip(_limits(differences), ("--", "-", "--"), strict=True):
            axes.axhline(value, color=COLOURS[1], linestyle=style, linewidth=1.1)


def _limits(differences: Floats) -> tuple[float, float, float]:
    """Bias − 1.96 SD, bias, bias + 1.96 SD, of those that are known."""
    known = differences[np.isfinite(differences)]
    spread = 1.96 * float(known.std(ddof=1)) if known.size > 1 else 0.0
    bias = float(known.mean()) if known.size else 0.0
    return bias - spread, bias, bias + spread
