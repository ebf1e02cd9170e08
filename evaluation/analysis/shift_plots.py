"""Plots of SHAP values: a beeswarm of all factors, each factor's dependence, and quality against Dice."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.analysis.domain_shift import Analysis, Shift
from evaluation.analysis.effects import Effect
from evaluation.analysis.factors import QUALITY, UNITS, Floats
from evaluation.report.style import COLOURS, INK, METRIC_TITLES, QUIET, STYLE, colour, marker, new_figure, short

#: From a low value to a high one; both ends differ in lightness, too.
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low to high", [COLOURS[5], COLOURS[0], "#2b1c50"])
ROW = 0.92
#: Half the height that a swarm may take of its row.
SWARM = 0.36


def beeswarm(shift: Shift) -> Figure:
    """A row a factor, largest size on top; a dot a case, coloured by the factor's value."""
    order = sorted(range(len(shift.effects)), key=lambda k: shift.effects[k].size)
    with mpl.rc_context(STYLE):
        figure = new_figure(0.9 + ROW * len(order))
        axes = figure.subplots()
        for row, k in enumerate(order):
            effect = shift.effects[k]
            values = shift.shap[:, k]
            jitter = swarm(values, np.ptp(shift.shap) or 1.0)
            axes.scatter(values, row + SWARM * jitter, c=_colours(effect, shift.estimator.rows), s=7, linewidths=0)
            if np.isfinite(effect.threshold):
                half = effect.threshold / 2
                axes.plot([-half, half], [row - 0.44] * 2, color=INK, linewidth=2, solid_capstyle="butt")
        axes.axvline(0, color=QUIET, linewidth=0.8)
        axes.set_yticks(range(len(order)), [shift.effects[k].factor.name.replace(" and ", "\nand ") for k in order])
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"SHAP value, {METRIC_TITLES[shift.metric]}")
    return figure


def dependence(shift: Shift) -> Figure:
    """A panel a factor: each case's SHAP value against the factor's value, and the means of its levels."""
    count = len(shift.effects)
    with mpl.rc_context(STYLE):
        rows = -(-count // 2)
        figure = new_figure(0.2 + 2.3 * rows, 5.9 if count > 1 else 3.5)
        panels = figure.subplots(rows, min(count, 2), squeeze=False, sharey=True).ravel()
        for axes, k in zip(panels, range(count), strict=False):
            _panel(axes, shift.effects[k], shift.shap[:, k], shift.estimator.rows)
        for axes in panels[count:]:
            axes.set_axis_off()
        figure.supylabel(f"SHAP value, {METRIC_TITLES[shift.metric]}", fontsize=9)
    return figure


def quality_plot(analysis: Analysis) -> Figure:
    """Every case's mean Dice against its image quality, with a straight line for each site that has a correlation."""
    factor = next(f for f in analysis.study.factors if f.name == QUALITY)
    dice = analysis.study.targets["dice"]
    sites = np.array([case.site for case in analysis.study.cases])
    with mpl.rc_context(STYLE):
        figure = new_figure(3.9)
        axes = figure.subplots()
        for place, site in enumerate(sorted(set(sites.tolist()))):
            member = (sites == site) & np.isfinite(dice)
            x, y, tint = factor.values[member], dice[member], colour(place)
            name = short(site)
            axes.scatter(x, y, s=11, color=tint, marker=marker(place), alpha=0.7, linewidths=0, label=name)
            if any(c.site == site for c in analysis.correlations):
                ends = np.array([x.min(), x.max()])
                axes.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), color=tint, linewidth=1.2)
        axes.set_xlabel("image quality (0 worst, 4 best)")
        axes.set_ylabel("mean Dice of the case")
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def swarm(values: Floats, width: float, bins: int = 60) -> Floats:
    """(R,) offsets from −1 to 1 that spread dots of like value apart, the densest place the widest."""
    place = np.round((values - values.min()) / width * bins).astype(np.int_)
    offset = np.zeros(len(values))
    for bin_ in np.unique(place):
        member = np.flatnonzero(place == bin_)
        steps = np.arange(len(member))
        offset[member] = np.where(steps % 2, 1, -1) * ((steps + 1) // 2)
    return offset / max(1.0, float(np.abs(offset).max()))


def _colours(effect: Effect, rows: np.ndarray) -> list:
    values = effect.factor.values[rows]
    if effect.factor.names:
        return [colour(int(value)) for value in values]
    low, width = values.min(), np.ptp(values) or 1.0
    return list(LOW_TO_HIGH((values - low) / width))


def _panel(axes: Axes, effect: Effect, shap: Floats, rows: np.ndarray) -> None:
    factor, values = effect.factor, effect.factor.values[rows]
    axes.axhline(0, color=QUIET, linewidth=0.8)
    if factor.names:
        spread = 0.28 * np.random.default_rng(0).uniform(-1, 1, len(values))
        axes.scatter(values + spread, shap, c=_colours(effect, rows), s=5, alpha=0.6, linewidths=0)
        axes.scatter(range(len(effect.means)), effect.means, marker="_", s=320, color=INK, zorder=3)
        axes.set_xticks(range(len(factor.names)), [short(name, 18) for name in factor.names])
        many = len(factor.names) > 2
        axes.tick_params(axis="x", labelrotation=30 if many else 0, labelsize=7 if many else 8)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right" if many else "center")
            label.set_rotation_mode("anchor")
        axes.grid(axis="x", visible=False)
    else:
        centres = [values[effect.levels.member == k].mean() for k in range(len(effect.means))]
        axes.scatter(values, shap, c=_colours(effect, rows), s=5, alpha=0.6, linewidths=0)
        axes.plot(centres, effect.means, color=INK, linewidth=1.2, marker="_", markersize=9)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if UNITS.get(factor.name):
            axes.set_xlabel(UNITS[factor.name].strip(), fontsize=8)
    axes.set_title(factor.name)
