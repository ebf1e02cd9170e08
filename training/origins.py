"""Of whom labelled volumes were made: variants of atlases, brains of an anatomy that learned from atlases.

A file ``*_T2w.json`` beside a volume tells it (``origins``, ``base``, ``partner``), as ``feta-train variants``,
``individuals`` and ``heads`` write it, or ``Base`` and ``Partner`` in participants.tsv. Whoever holds a subject out
must not learn from what was made of it either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.participants import subject_key
from feta.tables import is_absent, plain_name, read_table

#: The names of those that each subject of a folder was made of; who was made of nobody may be missing.
Origins = dict[str, frozenset[str]]
#: Keys of a volume's JSON file, and columns of participants.tsv.
_ONE, _MANY = ("base", "partner"), "origins"


def read_origins(folders: Sequence[Path]) -> list[Origins]:
    """Whom the subjects of each folder were made of, and whom those were made of in turn, as far as any folder tells.

    Raises:
        FetaError: a file that would tell it can't be read.
    """
    told = [_told(folder) for folder in folders]
    everywhere: dict[str, set[str]] = {}
    for each in told:
        for name, origins in each.items():
            everywhere.setdefault(name, set()).update(origins)
    return [{name: _closed(origins, everywhere) for name, origins in each.items()} for each in told]


def _closed(names: Iterable[str], origins: dict[str, set[str]]) -> frozenset[str]:
    found, waiting = set(), set(names)
    while waiting:
        found |= waiting
        waiting = {origin for name in waiting for origin in origins.get(name, ())} - found
    return frozenset(found)


def _told(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table in (folder / "participants.tsv", folder / "input" / "participants.tsv"):
        if table.exists():
            _add_table(table, found)
    for path in sorted(folder.glob("**/anat/*_T2w.json")):
        found.setdefault(path.name.split("_")[0], set()).update(_of_volume(path))
    return found


def _add_table(path: Path, found: dict[str, set[str]]) -> None:
    table = read_table(path)
    columns = {plain_name(name): at for at, name in enumerate(table.header)}
    for row in table.rows:
        cells = {name: row[at] for name, at in columns.items() if at < len(row) and not is_absent(row[at])}
        if "participantid" in cells:
            origins = {subject_key(cells[name]) for name in _ONE if name in cells}
            found.setdefault(subject_key(cells["participantid"]), set()).update(origins)


def _of_volume(path: Path) -> set[str]:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise FetaError(path, f"is no JSON ({error})", "mend it, or remove it") from error
    if not isinstance(content, dict):
        return set()
    many = content.get(_MANY)
    names = [*(many if isinstance(many, list) else ()), *(content.get(name) for name in _ONE)]
    return {subject_key(name) for name in names if isinstance(name, str)}


def write_origins(image: Path, origins: Iterable[str], **more: object) -> None:
    """Write the JSON file of a volume: whom it was made of, and more to tell.

    Raises:
        FetaError: it can't be written.
    """
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    write_atomically(path, json.dumps({**more, _MANY: sorted(origins)}, indent=1) + "\n")
