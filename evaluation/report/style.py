"""The look that every plot of the report shares: colours, markers, names, scales, and how it becomes an image."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from evaluation.ranking.schemes import Ranking

METRIC_TITLES = {
    "dice": "Dice",
    "vs": "Volume similarity",
    "hd95": "HD95, mm",
    "ed": "Euler difference",
    "mape": "MAPE, %",
}
#: Where values go far beyond these, the axis is logarithmic: a penalty must not flatten everything else.
LINEAR_UP_TO = {"hd95": 5.0, "ed": 20.0, "mape": 10.0}
FAR = 8.0
#: Okabe and Ito's palette without its yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X<>"
INK = "#1b1f24"
QUIET = "#8a939c"
LONGEST_NAME = 22
#: Inches; two plots stand side by side on a desktop's page, one on a phone's.
WIDTH = 5.9
STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e7eb",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,  # a team's name may hold dollar signs
    "svg.fonttype": "path",
    "svg.hashsalt": "feta",
    "legend.frameon": False,
}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of a size in inches; draw on it inside ``mpl.rc_context(STYLE)``."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.06))


def new_grid(
    height: float, width: float, *, rows: int, columns: int, shared: bool = False, below: float = 0.45
) -> tuple[Figure, list[Axes]]:
    """A figure with panels at fixed places: many panels take long to lay out by measuring them.

    Args:
        height, width: inches.
        shared: panels share their axes, and only the outer ones have numbers.
        below: inches kept free under the panels.
    """
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)
    figure.subplots_adjust(
        left=0.7 / width,
        right=1 - 0.1 / width,
        top=1 - 0.25 / height,
        bottom=below / height,
        wspace=0.08 if shared else 0.22,
        hspace=0.22 if shared else 0.38,
    )
    return figure, list(panels.ravel())


def label_grid(figure: Figure, x: str, y: str) -> None:
    """One label for the panels' common x axis, one for y."""
    figure.supxlabel(x, fontsize=9, y=0.06 / figure.get_figheight(), va="bottom")
    figure.supylabel(y, fontsize=9, x=0.06 / figure.get_figwidth(), ha="left")


def data_uri(figure: Figure) -> str:
    """The figure as an SVG in a data URI: an image, so that nothing in it can run."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), mpl.rc_context(STYLE):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script the font lacks
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits on an axis: printable characters, cut with an ellipsis."""
    clean = "".join(c if c.isprintable() else "�" for c in name)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def numbered(ranking: Ranking, longest: int = LONGEST_NAME) -> list[str]:
    """Teams in the leaderboard's order, each with its number there."""
    return [f"{place} {short(ranking.teams[t], longest)}" for place, t in enumerate(ranking.order(), start=1)]


def colour(place: int) -> str:
    """Colour of the team in a place (0 is first); pair it with ``marker``, since colours repeat."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Marker of the team in a place: together with its colour unlike that of 69 others."""
    return MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


def scale_y(axes: Axes, metric: str, largest: float) -> None:
    """Plain numbers on the y axis (0.5, 10, 200), which is logarithmic where ``largest`` is far out."""
    limit = LINEAR_UP_TO.get(metric)
    if limit is not None and largest > FAR * limit:
        decades = [10.0**k for k in range(7) if limit < 10.0**k <= 2 * largest]
        axes.set_yscale("symlog", linthresh=limit, linscale=1.0)
        axes.yaxis.set_major_locator(FixedLocator([0.0, limit, *decades]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 1.3 * largest)
    elif limit is not None:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def boxes(axes: Axes, samples: Sequence[npt.NDArray[np.float64]], labels: Sequence[str]) -> None:
    """Box plots side by side: median, quartiles, whiskers to 1.5 × the box, single dots beyond."""
    axes.boxplot(
        list(samples),
        tick_labels=list(labels),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": "#cfe3f2", "edgecolor": COLOURS[0], "linewidth": 0.8},
        medianprops={"color": INK, "linewidth": 1.4},
        whiskerprops={"color": COLOURS[0], "linewidth": 0.8},
        capprops={"color": COLOURS[0], "linewidth": 0.8},
        flierprops={"marker": "o", "markersize": 2, "markerfacecolor": QUIET, "markeredgecolor": "none"},
    )
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", length=0, labelsize=8 if len(labels) <= 10 else 6.5)
