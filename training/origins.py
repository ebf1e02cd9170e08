"""Of whom labelled volumes were made: variants of atlases, brains of an anatomy that learned from atlases.

A file ``*_T2w.json`` beside a volume tells it (``origins``, ``base``, ``partner``), as ``feta-train variants``,
``individuals``, ``heads`` and ``simulate`` write it, or ``Base`` and ``Partner`` in participants.tsv. Whoever holds a
subject out must not learn from what was made of it either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
        for name, origins in each.names.items():
            everywhere.setdefault(name, set()).update(origins)
    return [each.closed(everywhere) for each in told]


@dataclass(frozen=True)
class _Told:
    """What a folder tells.

    Attributes:
        names: of whom each subject was made.
        complete: subjects that tell of the origins of their origins, too. Those are not followed by name, since
            variants of variants have the same names as these.
    """

    names: dict[str, set[str]]
    complete: set[str]

    def closed(self, everywhere: dict[str, set[str]]) -> Origins:
        return {
            name: frozenset(origins) if name in self.complete else _closed(origins, everywhere)
            for name, origins in self.names.items()
        }


def _closed(names: Iterable[str], origins: dict[str, set[str]]) -> frozenset[str]:
    found, waiting = set(), set(names)
    while waiting:
        found |= waiting
        waiting = {origin for name in waiting for origin in origins.get(name, ())} - found
    return frozenset(found)


def _told(folder: Path) -> _Told:
    told = _Told({}, set())
    for table in (folder / "participants.tsv", folder / "input" / "participants.tsv"):
        if table.exists():
            _add_table(table, told.names)
    for path in sorted(folder.glob("**/anat/*_T2w.json")):
        _add_volume(path, told)
    return told


def _add_table(path: Path, found: dict[str, set[str]]) -> None:
    table = read_table(path)
    columns = {plain_name(name): at for at, name in enumerate(table.header)}
    for row in table.rows:
        cells = {name: row[at] for name, at in columns.items() if at < len(row) and not is_absent(row[at])}
        if "participantid" in cells:
            origins = {_subject(cells[name]) for name in _ONE if name in cells}
            found.setdefault(_subject(cells["participantid"]), set()).update(origins)


def _add_volume(path: Path, told: _Told) -> None:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise FetaError(path, f"is no JSON ({error})", "mend it, or remove it") from error
    if not isinstance(content, dict):
        return
    subject, many = path.name.split("_")[0], content.get(_MANY)
    names = [content.get(name) for name in _ONE]
    if isinstance(many, list):
        names += many
        told.complete.add(subject)
    told.names.setdefault(subject, set()).update(_subject(name) for name in names if isinstance(name, str))


def _subject(name: str) -> str:
    """``sub-a`` of ``a``, ``sub-a`` or a volume's name."""
    return subject_key(name).split("_")[0]


def write_origins(image: Path, origins: Iterable[str], **more: object) -> None:
    """Write the JSON file of a volume: whom it was made of, and those in turn, and more to tell.

    Raises:
        FetaError: it can't be written.
    """
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    write_atomically(path, json.dumps({**more, _MANY: sorted(origins)}, indent=1) + "\n")
