"""Everything that a file tells to somebody who looks closely: text as shown, and what data URIs and pictures hold."""

from __future__ import annotations

import base64
import html
import io
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

_DATA_URI = re.compile(r"data:[\w.+/-]*;base64,([A-Za-z0-9+/=]+)")
_PNG = b"\x89PNG\r\n\x1a\n"


def layers(data: bytes) -> Iterator[str]:
    """The content and all that is packed in it, in capitals: entities, per cent signs, base64, pixels, text chunks."""
    if data.startswith(_PNG):
        picture = Image.open(io.BytesIO(data))
        picture.load()
        yield from (str(value).upper() for value in picture.info.values())
        yield picture.convert("RGB").tobytes().decode("latin-1").upper()
        return
    text = data.decode("utf-8", "replace")
    for shown in dict.fromkeys((text, html.unescape(text), urllib.parse.unquote(text))):
        yield shown.upper()
    for packed in _DATA_URI.findall(text):
        yield from layers(base64.b64decode(packed))


def told(folder: Path, secrets: Iterable[str]) -> set[str]:
    """Which secrets stand anywhere in a folder's files, or in their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = (str(path.relative_to(folder)).upper() for path in files)
    everything = "\n".join([*names, *(text for path in files for text in layers(path.read_bytes()))])
    return {secret for secret in secrets if secret.upper() in everything}


def pictures(folder: Path) -> int:
    """How many pictures other than drawings (SVG) a folder's files hold."""
    raster = re.compile(r"data:image/(?!svg)[\w.+-]+[;,]")
    texts = [path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    return sum(len(raster.findall(text)) for text in texts)
