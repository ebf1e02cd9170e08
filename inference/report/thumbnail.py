"""A small picture of a case, which its larger one carries along, so that a cohort's page need not decode that."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.report.planes import Slice

#: Name of the text chunk of the PNG that holds the thumbnail, JPEG in base64.
CHUNK = "feta-thumbnail"
#: Pixels.
HEIGHT = 72
_QUALITY = 70
#: A picture larger than this is not ours, pixels.
_LARGEST = 4_000_000


def thumbnail(slices: Sequence[Slice]) -> str:
    """Slices side by side, as JPEG in base64."""
    washed = [each.washed() for each in slices]
    panels = []
    for panel in washed:
        above = max(map(len, washed)) - len(panel)
        panels.append(np.pad(panel, ((above // 2, above - above // 2), (0, 0), (0, 0))))
    return _jpeg(Image.fromarray(np.concatenate(panels, axis=1)))


def thumbnail_of(picture: Path) -> str | None:
    """The thumbnail that a case's picture carries, as JPEG in base64; None where it has none or can't be read."""
    try:
        with Image.open(picture, formats=["PNG"]) as image:
            found = image.info.get(CHUNK)
            if isinstance(found, str) and _is_base64(found):
                return found
            # A picture of an earlier version.
            return _jpeg(image.convert("RGB")) if image.width * image.height < _LARGEST else None
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError):
        return None


def _jpeg(image: Image.Image) -> str:
    image.thumbnail((4 * HEIGHT, HEIGHT), Image.Resampling.BOX, reducing_gap=None)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _is_base64(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True)[:2] == b"\xff\xd8"
    except ValueError:
        return False
