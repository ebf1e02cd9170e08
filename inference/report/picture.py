"""A picture a case to judge the result by eye: the planes in which a radiologist measures, with tissue and lengths.

Mid-sagittal (callosum and vermis), coronal through the widest cerebellum, axial through the atria (both biparietal
diameters): each plane lies where the case's own line does, and two more slices lie to either side of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from feta.errors import printable
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.biometry.line import Line
from inference.morphometry.measured import Measured
from inference.report.convention import Convention
from inference.report.picture_canvas import GAP, PictureCanvas
from inference.report.planes import PLANES, cut, positions
from inference.report.sampling import Scene
from inference.report.thumbnail import CHUNK, thumbnail

#: Pixels: of the picture's width, and of the strips of words.
WIDTH, TITLE, WORDS, LEGEND = 1080, 34, 50, 34


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
    page = PictureCanvas(WIDTH, height)
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
    return f"{printable(title)} · {'age unknown' if age is None else f'{age:g} weeks'}"
