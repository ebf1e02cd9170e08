"""A release's folder: it holds what the release wrote, and nothing else, since the whole of it is published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from evaluation.release.kinds import RULES, Kind, ReleaseFile
from feta.errors import FetaError, error_kind
from feta.files import make_writable, read_text, remove_unfinished, write_together

CONTENTS = "contents.json"
_FORMAT = "feta-release/1"


def check_folder(folder: Path) -> set[str]:
    """See that a folder is new, empty, or an earlier release with nothing added; it is made if absent.

    Returns:
        The names of the earlier release's files.

    Raises:
        FetaError: it holds other files, which would be published with the release.
    """
    make_writable(folder)
    remove_unfinished(folder)
    teams = folder / "teams"
    if teams.is_dir() and not teams.is_symlink():
        remove_unfinished(teams)
        if not any(teams.iterdir()):
            teams.rmdir()
    return _earlier(folder)


def write_folder(folder: Path, files: Sequence[ReleaseFile], allowed: frozenset[Kind]) -> None:
    """Write a release; what an earlier one has and this one lacks is removed.

    Args:
        allowed: kinds that the policy allows.

    Raises:
        FetaError: the folder holds other files, or can't be written.
        ValueError: a file is of a kind that the policy doesn't allow.
    """
    for file in files:
        if file.kind not in allowed:
            raise ValueError(f"{file.path}: the policy does not allow files of kind {file.kind}")
    earlier = check_folder(folder)
    # The list takes its name first: a release that is killed then can be begun again, whatever it got done.
    everything = [_contents(files), *files]
    names = {file.path for file in everything}
    for name in sorted(earlier - names):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise error_kind(error)(folder / name, f"cannot be removed ({error.strerror})") from error
    write_together({folder / file.path: file.content for file in everything})


def _contents(files: Sequence[ReleaseFile]) -> ReleaseFile:
    """The list of a release's files by kind, itself left out."""
    listed = [
        {"path": f.path, "kind": f.kind.value, "sha256": hashlib.sha256(_bytes(f.content)).hexdigest()} for f in files
    ]
    kinds = {kind.value: RULES[kind].holds for kind in Kind if any(f.kind is kind for f in files)}
    text = json.dumps({"format": _FORMAT, "kinds": kinds, "files": listed}, indent=1, ensure_ascii=False) + "\n"
    return ReleaseFile(Kind.CONTENTS, CONTENTS, text)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _earlier(folder: Path) -> set[str]:
    """What lies in a folder, if an earlier release wrote all of it; else there is an error."""
    found = {path.relative_to(folder).as_posix() for path in _entries(folder)}
    known = set()
    if CONTENTS in found:
        try:
            content = json.loads(read_text(folder / CONTENTS))
            if content["format"] != _FORMAT:
                raise ValueError(content["format"])
            known = {str(file["path"]) for file in content["files"]} | {CONTENTS}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FetaError(folder / CONTENTS, "is no list of a release", "use a new folder") from error
    others = sorted(found - known)
    if others:
        count = f" and {len(others) - 1} more" if len(others) > 1 else ""
        problem = f"holds {others[0]}{count}, which no release wrote and which would be published with it"
        raise FetaError(folder, problem, "use a new folder, or take that away")
    return found


def _entries(folder: Path) -> Iterator[Path]:
    """Every file below a folder, every link, which is not followed, and every empty folder: its name can tell, too."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink() and any(path.iterdir()):
            yield from _entries(path)
        else:
            yield path
