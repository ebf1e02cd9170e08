"""NiiVue, the viewer of a page: its bundle is read from the installed package nilearn, which carries it.

Nothing of nilearn is imported, and none of what it needs has to be installed.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

PACKAGE, FILE = "nilearn", "niivue.umd.js"
_VERSION = re.compile(r'\{version:"(\d+\.\d+\.\d+)"\}')
#: What would end, or hide, a script that stands in a page.
_UNSAFE = re.compile(r"</script|<!--", re.IGNORECASE)


@dataclass(frozen=True)
class Bundle:
    """The viewer.

    Attributes:
        script: defines the global ``niivue``.
        version: of NiiVue; empty where it doesn't say.
        licence: its text.
    """

    script: str
    version: str
    licence: str


@lru_cache(maxsize=1)
def viewer_bundle() -> Bundle | None:
    """The viewer; None where nilearn isn't installed or carries none that can stand in a page."""
    try:
        listed = importlib.metadata.files(PACKAGE) or []
        paths = [Path(path.locate()) for path in listed if path.name == FILE]
        script = paths[0].read_text("utf-8") if paths else ""
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return None
    if not script or _UNSAFE.search(script):
        return None
    version = _VERSION.search(script)
    licence = (files("inference.report") / "templates" / "niivue-licence.txt").read_text("utf-8")
    return Bundle(script, version[1] if version else "", licence)
