"""The canvas of a case's picture: panels are pixels, words and lines are laid over them by matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from feta.labels import TISSUE_COLOURS, TISSUE_NAMES, TISSUES
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.report.advice import centile_text
from inference.report.convention import Convention
from inference.report.planes import Slice

DPI = 80
#: Pixels between a picture's border and its words.
GAP = 6
LENGTH_COLOURS, UNSEEN, QUIET = ("#ffffff", "#ff4dff"), "#a0a0a0", "#c8ccd0"
_SIZES = {"title": 11, "words": 9, "side": 10}


def length_words(measurement: Measurement, length: Length, centile: float | None) -> str:
    """Such as 'TCD 33.1 mm (31.8–34.5), centile 48', with where it comes from if it isn't drawn."""
    if length.value is None:
        return f"{measurement} unknown"
    interval = "" if length.interval is None else f" ({length.interval[0]:.1f}–{length.interval[1]:.1f})"
    place = "" if centile is None else f", centile {centile_text(centile)}"
    origin = "" if length.line is not None else f", from the {length.source}"
    return f"{measurement} {length.value:.1f} mm{interval}{place}{origin}"


class PictureCanvas:
    """The picture while it is drawn; places in pixels from the upper left."""

    def __init__(self, width: int, height: int) -> None:
        self.canvas = np.zeros((height, width, 3), np.uint8)
        self.figure = Figure((width / DPI, height / DPI), dpi=DPI)

    def paste(self, each: Slice, left: int, top: int) -> None:
        rows, columns = each.grey.shape
        self.canvas[top : top + rows, left : left + columns] = each.outlined()

    def text(
        self, x: float, y: float, text: str, *, size: str = "words", colour: str = "white", at: str = "left"
    ) -> None:
        height, width = self.canvas.shape[:2]
        self.figure.text(
            x / width, 1 - y / height, text, color=colour, fontsize=_SIZES[size], ha=at, va="top", parse_math=False
        )

    def sides(self, each: Slice, left: int, top: int, convention: Convention) -> None:
        rows, columns = each.grey.shape
        for letter, x in zip(each.plane.sides(convention), (left + 8, left + columns - 8), strict=True):
            self.text(x, top + rows / 2 - 8, letter, size="side", at="center")

    def lengths(self, each: Slice, left: int, top: int, lines: Mapping[Measurement, Line]) -> None:
        for measurement, colour in zip(each.plane.measurements, LENGTH_COLOURS, strict=False):
            if line := lines.get(measurement):
                ends = np.array([each.place(line.start), each.place(line.end)]) + (left, top) + 0.5
                ends[:, 1] = len(self.canvas) - ends[:, 1]
                artist = Line2D(ends[:, 0], ends[:, 1], color=colour, linewidth=1.2, marker="+", markersize=8)
                artist.set_transform(None)
                self.figure.add_artist(artist)

    def words(
        self,
        each: Slice,
        left: int,
        top: int,
        lengths: Mapping[Measurement, Length],
        lines: Mapping[Measurement, Line],
        centiles: Mapping[str, float | None],
    ) -> None:
        """Lengths below a panel: over the image they would hide what is to be checked."""
        middle = left + each.grey.shape[1] / 2
        named = zip(each.plane.measurements, LENGTH_COLOURS, strict=False)
        said = [(m, colour if m in lines else UNSEEN) for m, colour in named if m in lengths]
        for row, (measurement, colour) in enumerate(said):
            words = length_words(measurement, lengths[measurement], centiles.get(str(measurement)))
            self.text(middle, top + 6 + 18 * row, words, colour=colour, at="center")

    def legend(self, top: int, said: str) -> None:
        x = float(GAP + 2)
        for tissue in TISSUES:
            colour = tuple(int(255 * part) for part in TISSUE_COLOURS[tissue])
            self.canvas[top + 2 : top + 12, int(x) : int(x) + 10] = colour
            self.text(x + 15, top - 1, TISSUE_NAMES[tissue], colour=QUIET)
            x += 30 + 6.6 * len(TISSUE_NAMES[tissue])
        self.text(self.canvas.shape[1] - GAP - 2, top - 1, f"{said} · research only", colour=QUIET, at="right")

    def rendered(self) -> npt.NDArray[np.uint8]:
        """The canvas with the words and lines laid over it."""
        self.figure.patch.set_alpha(0)
        drawn = FigureCanvasAgg(self.figure)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            drawn.draw()
        ink = np.asarray(drawn.buffer_rgba())
        rows, columns = np.nonzero(ink[..., 3])
        over = ink[rows, columns].astype(np.float32)
        share = over[:, 3:] / 255
        under = self.canvas[rows, columns]
        self.canvas[rows, columns] = np.rint(over[:, :3] * share + under * (1 - share))
        return self.canvas
