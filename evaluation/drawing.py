"""The look that every plot of the report shares: colours, markers, names, and SVG without a trace of the machine."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

#: Okabe and Ito's palette without its yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X<>"
INK = "#1b1f24"
QUIET = "#8a939c"
LONGEST_NAME = 22
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


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; draw on it inside ``mpl.rc_context(STYLE)``."""
    return Figure(figsize=(width, height), layout="constrained")


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


def colour(place: int) -> str:
    """Colour of the team in a place (0 is first); pair it with ``marker``, since colours repeat."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Marker of the team in a place: together with its colour unlike that of 69 others."""
    return MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


def plain_numbers(axes: Axes, linear_up_to: float | None = None) -> None:
    """Numbers as 0.5, 10, 200 on the y axis; logarithmic beyond ``linear_up_to`` where that is given."""
    if linear_up_to is not None:
        axes.set_yscale("symlog", linthresh=linear_up_to, linscale=0.8)
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def boxes(axes: Axes, samples: Sequence[Sequence[float]], labels: Sequence[str]) -> None:
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
        flierprops={"marker": ".", "markersize": 2.5, "markerfacecolor": QUIET, "markeredgecolor": "none"},
    )
    axes.grid(axis="x", visible=False)
