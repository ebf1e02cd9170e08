"""Links of a page that moves from the repository into the site."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

#: A link or picture of Markdown: what is shown, and where it leads.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_BLOCK = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def relinked(text: str, source: PurePosixPath, page: PurePosixPath, pages: Mapping[str, str], root: Path) -> str:
    """A page's text with its links as the site needs them.

    Args:
        text: Markdown.
        source: the file that it is from, relative to the repository.
        page: the page that it becomes, relative to the site's source.
        pages: file in the repository → page of the site.
        root: the repository.

    Returns:
        The text; links to files of the repository that are no pages are their paths, as code. A link to what does
        not exist stays as it is, for the site's own check to find.
    """

    def replaced(found: re.Match[str]) -> str:
        picture, shown, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        wanted = os.path.normpath(source.parent / path)
        if wanted in pages:
            there = os.path.relpath(pages[wanted], page.parent)
            return f"{picture}[{shown}]({there}{'#' if anchor else ''}{anchor})"
        if not wanted.startswith("..") and (root / wanted).exists() and not wanted.startswith("docs/"):
            return f"`{wanted}`" if shown.strip("`") == path else f"{shown} (`{wanted}`)"
        return found[0]

    parts = _BLOCK.split(text)
    parts[::2] = [_LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)
