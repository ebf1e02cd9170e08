"""A picture a case to judge the result by eye: the planes in which a radiologist measures, with tissue and lengths.

Mid-sagittal (callosum and vermis), coronal through the widest cerebellum, axial through the atria (both biparietal
diameters): each plane lies where the case's own line does, and two more slices lie to either side of it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from feta.labels import TISSUE_COLOURS, TISSUE_NAMES, TISSUES
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.morphometry.measured import Measured
from inference.report.convention import Convention
from inference.report.planes import PLANES, Slice, cut, positions
from inference.report.sampling import Scene
from inference.report.thumbnail import CHUNK, thumbnail

#: Pixels: of the picture's width, between panels, and of the strips of words.
WIDTH, GAP, TITLE, WORDS, LEGEND = 1080, 6, 34, 50, 34
DPI = 80
LENGTH_COLOURS, UNSEEN, QUIET = ("#ffffff", "#ff4dff"), "#a0a0a0", "#c8ccd0"
#: The lengths' names, ends and further words are white on black.
_SIZES = {"title": 11, "words": 9, "side": 10}


@dataclass(frozen=True)
class Drawn:
    """A picture.

    Attributes:
        pixels: (row, column, RGB) uint8.
        title_rows: the uppermost rows, which hold the case's name.
        small: thumbnail, JPEG in base64.
    """

    pixels: npt.NDArray[np.uint8]
    title_rows: int
    small: str

    def png(self) -> bytes:
        """As a PNG, with the thumbnail in a text chunk."""
        words = PngInfo()
        words.add_text(CHUNK, self.small)
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "PNG", pnginfo=words, compress_level=4)
        return buffer.getvalue()

    def nameless_jpeg(self) -> bytes:
        """Without the title, as a JPEG: no name is burned into it."""
        buffer = io.BytesIO()
        Image.fromarray(self.pixels[self.title_rows :]).save(buffer, "JPEG", quality=85, subsampling=0)
        return buffer.getvalue()


def draw_picture(
    title: str,
    scene: Scene,
    lengths: Mapping[Measurement, Length],
    lines: Mapping[Measurement, Line],
    *,
    age: float | None = None,
    measured: Sequence[Measured] = (),
    convention: Convention = Convention.RADIOLOGICAL,
    sides_known: bool = True,
) -> Drawn:
    """Draw three slices of each of three planes.

    Args:
        title: over the picture.
        scene: the case.
        lengths: those that were measured are drawn.
        lines: their lines in the brain frame, mm.
        age: weeks.
        measured: gives the lengths' centiles.
        convention: which side is on the left.
        sides_known: whether left and right are the fetus's; no letters are drawn otherwise.
    """
    extent = scene.high - scene.low
    pixel = float(sum(extent[p.right] for p in PLANES)) / (WIDTH - 4 * GAP - 6)
    rows = [[cut(scene, p, at, pixel, convention) for at in positions(p, lines, scene)] for p in PLANES]
    tall = max(each[0].grey.shape[0] for each in rows)
    height = TITLE + 3 * (tall + GAP) + WORDS + LEGEND
    canvas = np.zeros((height, WIDTH, 3), np.uint8)
    page = _Page(Figure((WIDTH / DPI, height / DPI), dpi=DPI), canvas)
    left = GAP
    centiles = {m.key: m.centile for m in measured}
    for found in rows:
        for row, each in enumerate(found):
            top = TITLE + row * (tall + GAP) + (WORDS if row else 0) + (tall - each.grey.shape[0]) // 2
            page.paste(each, left, top)
            if sides_known or each.plane.right != 0:
                page.sides(each, left, top, convention)
            if row == 0:
                page.lengths(each, left, top, lines)
                page.words(each, left, TITLE + tall, lengths, lines, centiles)
        left += found[0].grey.shape[1] + GAP
    page.text(GAP + 2, 6, _heading(title, age), size="title")
    page.legend(height - LEGEND + 8, convention.value if sides_known else "sides unknown")
    return Drawn(page.rendered(), TITLE, thumbnail([each[0] for each in rows]))


def _heading(title: str, age: float | None) -> str:
    # Bytes that are no UTF-8 have no letters, other scripts none in this font, which matplotlib would say at length.
    shown = title.encode(errors="backslashreplace").decode()
    return f"{shown} · {'age unknown' if age is None else f'{age:g} weeks'}"


def length_words(measurement: Measurement, length: Length, centile: float | None) -> str:
    """Such as 'TCD 33.1 mm (31.8–34.5), centile 48', with where it comes from if it isn't drawn."""
    if length.value is None:
        return f"{measurement} unknown"
    interval = "" if length.interval is None else f" ({length.interval[0]:.1f}–{length.interval[1]:.1f})"
    place = "" if centile is None else f", centile {centile_text(centile)}"
    origin = "" if length.line is not None else f", from the {length.source}"
    return f"{measurement} {length.value:.1f} mm{interval}{place}{origin}"


def centile_text(centile: float) -> str:
    """'48'; beyond 1 and 99 no more is said than that."""
    return "< 1" if centile < 1 else "> 99" if centile > 99 else f"{centile:.0f}"


class _Page:
    """The picture while it is drawn; places in pixels from the upper left."""

    def __init__(self, figure: Figure, canvas: npt.NDArray[np.uint8]) -> None:
        self.figure, self.canvas = figure, canvas

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
        self.text(WIDTH - GAP - 2, top - 1, f"{said} · research only", colour=QUIET, at="right")

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
