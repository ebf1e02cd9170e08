"""The canvas of a case's picture: panels are pixels, words and lines are laid over them by Pillow.

matplotlib would take longer to import than the whole picture takes to draw; only its font is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFont

from feta.labels import TISSUE_COLOURS, TISSUE_NAMES, TISSUES
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.report.advice import centile_text
from inference.report.convention import Convention
from inference.report.planes import Slice

#: Pixels between a picture's border and its words.
GAP = 6
LENGTH_COLOURS, UNSEEN, QUIET = ("#ffffff", "#ff4dff"), "#a0a0a0", "#c8ccd0"
#: Heights of letters in pixels, and the part of it by which capitals of DejaVu Sans stand above the line.
_SIZES, _CAPITALS = {"title": 12.2, "words": 10.0, "side": 11.1}, 0.76
#: Anchors of Pillow at the line on which words stand.
_ANCHORS = {"left": "ls", "center": "ms", "right": "rs"}
#: Lines are this wide, and the arms of the crosses at their ends this long, pixels.
_LINE, _ARM = 1.33, 4.4
#: Lines are drawn so many times as large, then made smaller: Pillow's have no soft edges.
_FINER = 4


def length_words(measurement: Measurement, length: Length, centile: float | None) -> str:
    """Such as 'TCD 33.1 mm (31.8–34.5), centile 48', with where it comes from if it isn't drawn."""
    if length.value is None:
        return f"{measurement} unknown"
    interval = "" if length.interval is None else f" ({length.interval[0]:.1f}–{length.interval[1]:.1f})"
    place = "" if centile is None else f", centile {centile_text(centile)}"
    origin = "" if length.line is not None else f", from the {length.source}"
    return f"{measurement} {length.value:.1f} mm{interval}{place}{origin}"


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has the letters of most European scripts, from matplotlib's files; it isn't imported."""
    found = find_spec("matplotlib")
    assert found is not None and found.origin is not None
    file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    # Pillow's own layout, so that a picture does not depend on whether the system has another.
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


class PictureCanvas:
    """The picture while it is drawn; places in pixels from the upper left."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height))
        self.pen = ImageDraw.Draw(self.image)

    def paste(self, each: Slice, left: int, top: int) -> None:
        self.image.paste(Image.fromarray(each.outlined()), (left, top))

    def text(
        self, x: float, y: float, text: str, *, size: str = "words", colour: str = "white", at: str = "left"
    ) -> None:
        line = y + _CAPITALS * _SIZES[size]
        self.pen.text((x, line), text, colour, _font(_SIZES[size]), anchor=_ANCHORS[at])

    def sides(self, each: Slice, left: int, top: int, convention: Convention) -> None:
        rows, columns = each.grey.shape
        for letter, x in zip(each.plane.sides(convention), (left + 8, left + columns - 8), strict=True):
            self.text(x, top + rows / 2 - 8, letter, size="side", at="center")

    def lengths(self, each: Slice, left: int, top: int, lines: Mapping[Measurement, Line]) -> None:
        for measurement, colour in zip(each.plane.measurements, LENGTH_COLOURS, strict=False):
            if line := lines.get(measurement):
                ends = np.array([each.place(line.start), each.place(line.end)]) + 0.5
                self._line(ends, (left, top), each.grey.shape, colour)

    def _line(self, ends: npt.NDArray[np.float64], corner: tuple[int, int], size: tuple[int, ...], colour: str) -> None:
        """A line with a cross at each end.

        Args:
            ends: (2, 2) columns and rows within the panel.
            corner: of the panel.
            size: rows and columns of the panel, beyond which nothing is drawn.
        """
        rows, columns = size
        ink = Image.new("L", (columns * _FINER, rows * _FINER))
        pen = ImageDraw.Draw(ink)
        arms = [(end - arm, end + arm) for end in ends for arm in np.eye(2) * _ARM]
        for start, end in ((ends[0], ends[1]), *arms):
            pen.line([*start * _FINER, *end * _FINER], 255, round(_LINE * _FINER))
        small = ink.resize((columns, rows), Image.Resampling.BOX)
        self.image.paste(ImageColor.getrgb(colour), (*corner, corner[0] + columns, corner[1] + rows), small)

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
            self.image.paste(colour, (int(x), top + 2, int(x) + 10, top + 12))
            self.text(x + 15, top - 1, TISSUE_NAMES[tissue], colour=QUIET)
            x += 30 + 6.6 * len(TISSUE_NAMES[tissue])
        self.text(self.image.width - GAP - 2, top - 1, f"{said} · research only", colour=QUIET, at="right")

    def rendered(self) -> npt.NDArray[np.uint8]:
        """(row, column, RGB)."""
        return np.array(self.image)
