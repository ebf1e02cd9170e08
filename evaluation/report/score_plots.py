"""Plots of scores: over the cases by tissue, and their means by site and other groups."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from evaluation.ranking.groups import Group
from evaluation.ranking.results import metric_means
from evaluation.ranking.schemes import Ranking
from evaluation.report.style import (
    COLOURS,
    METRIC_TITLES,
    STYLE,
    boxes,
    colour,
    label_grid,
    marker,
    new_grid,
    numbered,
    scale_y,
    short,
)
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from feta.labels import TISSUE_NAMES, TISSUES


def tissue_plot(table: ScoreTable, metric: str, ranking: Ranking) -> Figure:
    """One panel a tissue, one box a team over cases; for ED, a dashed line at a perfect prediction's median."""
    order = ranking.order()
    values = table.values[:, table.mapped][..., SEGMENTATION_METRICS.index(metric)]
    places = [str(place) for place in range(1, len(order) + 1)]
    with mpl.rc_context(STYLE):
        figure, panels = new_grid(6.4, 9.0, rows=3, columns=3)
        for axes in panels[len(TISSUES) :]:
            axes.set_axis_off()
        for i, (axes, tissue) in enumerate(zip(panels, TISSUES, strict=False)):
            boxes(axes, [values[team, :, i] for team in order], places)
            scale_y(axes, metric, float(values[:, :, i].max()))
            if metric == "ed":
                axes.axhline(
                    float(np.median(table.ed_floor[table.mapped, i])), color=COLOURS[1], linestyle="--", linewidth=1.2
                )
            axes.set_title(f"{int(tissue)} {TISSUE_NAMES[tissue]}")
        label_grid(figure, "team, numbered as on the leaderboard", METRIC_TITLES[metric])
    return figure


def group_plot(table: ScoreTable, groups: Sequence[Group], ranking: Ranking) -> Figure:
    """Each team's mean in each group, a panel a metric."""
    means = [metric_means(table, group) for group in groups]
    metrics = [m for m in ("dice", "hd95", "ed", "mape") if any(m in one for mean in means for one in mean.values())]
    with mpl.rc_context(STYLE):
        legend = 0.35 + 0.18 * -(-len(ranking.teams) // 4)
        figure, panels = new_grid(4.8 + legend, 9.0, rows=2, columns=2, below=legend + 0.45)
        for axes, metric in zip(panels, metrics, strict=False):
            lines = [[mean[table.teams[t]].get(metric, np.nan) for mean in means] for t in ranking.order()]
            for place, (values, name) in enumerate(zip(lines, numbered(ranking), strict=True)):
                axes.plot(values, color=colour(place), marker=marker(place), linewidth=0.8, markersize=4, label=name)
            scale_y(axes, metric, float(np.nanmax(lines)))
            axes.set_title(METRIC_TITLES[metric])
            axes.set_xticks(range(len(groups)), [short(group.name, 16) for group in groups])
            axes.tick_params(axis="x", labelrotation=20 if len(groups) > 4 else 0)
            axes.margins(x=0.1)
        for axes in panels[len(metrics) :]:
            axes.set_axis_off()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="lower center", fontsize=8, ncols=4)
    return figure
