"""Plots of the five lengths: relative errors beside the reference rows, and Bland–Altman."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.ranking.baselines import Reference
from evaluation.ranking.leaderboard import LeaderboardGroup
from evaluation.ranking.schemes import Floats
from evaluation.report.style import COLOURS, QUIET, STYLE, boxes, label_grid, new_grid, numbered, scale_y
from evaluation.scoring.score_table import ScoreTable
from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS

LINES = ("--", ":", "-.")
NARROWEST = 3.6


def length_plot(table: ScoreTable, leaderboard: LeaderboardGroup, references: Sequence[Reference]) -> Figure:
    """Relative errors of each length, a box a team; lines at the mean error of the reference rows."""
    order = leaderboard.ranking.order()
    places = [str(place) for place in range(1, len(order) + 1)]
    means = {r.name: r.mape(table, leaderboard.group.members) or {} for r in references}
    with mpl.rc_context(STYLE):
        figure, panels = new_grid(4.6, 9.0, rows=2, columns=3)
        panels[-1].set_axis_off()
        for k, (axes, measurement) in enumerate(zip(panels, MEASUREMENTS, strict=False)):
            errors = table.length_errors[:, np.isfinite(table.true_lengths[:, k]), k]
            boxes(axes, [errors[t] for t in order], places)
            _reference_lines(axes, {name: mean.get(measurement) for name, mean in means.items()})
            scale_y(axes, "mape", float(errors.max(initial=0.0)))
            axes.set_title(f"{measurement}: {MEASUREMENT_NAMES[measurement]}")
        label_grid(figure, "team, numbered as on the biometry leaderboard", "absolute relative error, %")
        if means:
            panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center", title="mean error of")
    return figure


def bland_altman_plot(table: ScoreTable, leaderboard: LeaderboardGroup, k: int, rater: Reference | None) -> Figure:
    """Prediction − truth against their mean, a panel a team: bias, and the limits that hold 95 %.

    Args:
        k: index of the measurement.
        rater: a second rater whose own limits are shaded, where their lengths are known.
    """
    order = leaderboard.ranking.order()
    columns = min(4, len(order))
    rows = -(-len(order) // columns)
    truth = table.true_lengths[:, k]
    with mpl.rc_context(STYLE):
        figure, panels = new_grid(
            0.7 + 1.7 * rows, max(NARROWEST, 2.25 * columns), rows=rows, columns=columns, shared=True, below=0.52
        )
        for axes in panels[len(order) :]:
            axes.set_axis_off()
        for axes, team, name in zip(panels, order, numbered(leaderboard.ranking, 18), strict=False):
            lengths = table.lengths[team, :, k]
            if rater is not None and rater.lengths is not None:
                low, _, high = limits(rater.lengths[:, k] - truth)
                axes.axhspan(low, high, color="#e9ecef", zorder=0)
            axes.axhline(0, color=QUIET, linewidth=0.8)
            for value, style in zip(limits(lengths - truth), ("--", "-", "--"), strict=True):
                axes.axhline(value, color=COLOURS[1], linestyle=style, linewidth=1.1)
            axes.plot((lengths + truth) / 2, lengths - truth, "o", color=COLOURS[0], markersize=2.6, markeredgewidth=0)
            axes.set_title(name, fontsize=8)
            axes.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        label_grid(figure, "mean of prediction and truth, mm", "prediction − truth, mm")
    return figure


def limits(differences: Floats) -> tuple[float, float, float]:
    """Bias − 1.96 SD, bias, bias + 1.96 SD of those that are known (Bland and Altman 1986); NaN where none is."""
    known = differences[np.isfinite(differences)]
    bias = float(known.mean()) if known.size else np.nan
    spread = 1.96 * float(known.std(ddof=1)) if known.size > 1 else 0.0
    return bias - spread, bias, bias + spread


def _reference_lines(axes: Axes, lines: dict[str, float | None]) -> None:
    for i, (name, value) in enumerate(lines.items()):
        if value is not None:
            axes.axhline(value, color=COLOURS[1 + i], linestyle=LINES[i % len(LINES)], linewidth=1.6, label=name)
