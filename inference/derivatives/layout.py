"""The two layouts that a folder of results can have, and which one a folder holds."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from feta.errors import FetaError
from feta.files import read_text

#: Describes a data set; in its root.
DESCRIPTION = "dataset_description.json"
#: How results name the program that made them.
PROGRAM = "feta-infer"
#: The run's log lies in the root whatever the layout; it begins with the versions of what ran.
_LOG, _IN_LOG, _LOG_BEGINS = "run.json", '"feta-submission"', 400


class Layout(StrEnum):
    """How results are named."""

    CHALLENGE = "challenge"
    BIDS = "bids"


def check_layout(root: Path, layout: Layout, source: Path) -> None:
    """Refuse a folder whose results are named otherwise, or that isn't one of this program's results.

    Args:
        root: the folder for results, which may not exist yet.
        layout: that results shall have.
        source: the input.

    Raises:
        FetaError: results of both layouts or of two data sets would lie side by side, or a data set's own description
            be overwritten.
    """
    described = describing(root)
    if _is_ours(described):
        if layout is not Layout.BIDS:
            raise FetaError(root, "holds results as BIDS names them", "choose another folder, or add --layout bids")
        if (other := _made_of(root, described)) and other.is_dir() and other.resolve() != source.resolve():
            # The description links one data set: Sources of the other's results would lead nowhere.
            raise FetaError(root, f"holds results of another data set ({other})", "choose another folder")
        return
    if layout is not Layout.BIDS:
        return
    own = "name a folder of its own, such as derivatives/feta below the data set"
    if root.resolve() == source.resolve():
        raise FetaError(root, "is the input, which results may not lie among", own)
    if described is not None:
        name = described.get("Name") or "without a name"
        raise FetaError(root, f"is another data set ({name}), and no results of {PROGRAM}", own)
    if _begins_as_log(root / _LOG):
        problem = "holds results as the challenge names them"
        raise FetaError(root, problem, "choose another folder, or leave it so by --layout challenge")


def describing(root: Path) -> dict[str, Any] | None:
    """What the description of a data set says; None where there is none, nothing where it can't be understood."""
    path = root / DESCRIPTION
    if not path.exists():
        return None
    try:
        content = json.loads(read_text(path))
    except (FetaError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def holds_derivatives(root: Path) -> bool:
    """Whether a folder holds results of this program as BIDS names them."""
    return _is_ours(describing(root))


def _is_ours(described: dict[str, Any] | None) -> bool:
    made_by = (described or {}).get("GeneratedBy")
    return isinstance(made_by, list) and any(isinstance(one, dict) and one.get("Name") == PROGRAM for one in made_by)


def _made_of(root: Path, described: dict[str, Any] | None) -> Path | None:
    """The data set that a description of ours links as ``raw``, which may have been moved since."""
    links = (described or {}).get("DatasetLinks")
    raw = links.get("raw") if isinstance(links, dict) else None
    if not (isinstance(raw, str) and raw):
        return None
    return Path(os.path.normpath(root.resolve() / unquote(urlsplit(raw).path)))


def _begins_as_log(path: Path) -> bool:
    try:
        with path.open(errors="replace") as file:
            return _IN_LOG in file.read(_LOG_BEGINS)
    except OSError:
        return False
