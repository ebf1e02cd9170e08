"""The navigation: by folder, so that a new page is in it without being listed anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

#: Folders in the order of the site, with their titles; others follow, by name.
SECTIONS = {
    "for-you": "Where to begin",
    "tutorials": "Tutorials",
    "how-to": "How-to",
    "explanation": "Explanation",
    "reference": "Reference",
    "results": "Results",
    "project": "Project",
}


def title(text: str, name: str) -> str:
    """A page's first heading, else its file's name; the first page of all is home."""
    if name == "index.md":
        return "Home"
    found = re.search(r"^# +(.+?) *#*$", text, re.MULTILINE)
    return found[1].replace("`", "") if found else PurePosixPath(name).stem.replace("-", " ").capitalize()


def navigation(pages: Iterable[tuple[str, str]]) -> list[Any]:
    """The ``nav`` of mkdocs.yml.

    Args:
        pages: path within the site's source and text of each page.

    Returns:
        ``index.md`` first, then a list a folder; in it ``index.md`` first, the rest by the names of their files.
    """
    folders: dict[str, list[Any]] = {}
    for path, text in sorted(pages, key=lambda page: (not page[0].endswith("index.md"), page[0])):
        folder = path.rpartition("/")[0].partition("/")[0]
        folders.setdefault(folder, []).append({title(text, path): path})
    known = list(SECTIONS)
    order = sorted(
        folders, key=lambda folder: (folder not in known, known.index(folder) if folder in known else folder)
    )
    nav = folders.pop("", [])
    return nav + [{SECTIONS.get(folder, folder.capitalize()): folders[folder]} for folder in order if folder in folders]
