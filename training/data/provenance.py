"""Of whom labelled volumes were made: variants of atlases, brains of an anatomy that learned from atlases.

A file ``*_T2w.json`` beside a volume tells it, as ``feta-train variants``, ``individuals``, ``heads`` and ``simulate``
write it, or participants.tsv: ``base``, ``partner`` or ``origins``, each a name or several. Whoever holds a subject out
must not learn from what was made of it either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from feta.errors import FetaError
from feta.files import read_text, write_atomically
from feta.participants import SUBJECT_COLUMNS, subject_key
from feta.tables import is_absent, plain_name, read_table

#: The names of those that each subject of a folder was made of; who was made of nobody may be missing.
Origins = dict[str, frozenset[str]]
#: Keys of a volume's JSON file, and columns of participants.tsv.
_KEYS = ("base", "partner", "origins")
_BETWEEN = re.compile(r"[,;\s]+")


class Made(Protocol):
    """What may have been made of subjects: a brain, a head, an atlas."""

    @property
    def origins(self) -> frozenset[str]:
        """Names of those that it was made of."""


def origins_of(made: Iterable[Made]) -> list[str]:
    """Names of all that any of them was made of."""
    return sorted({name for each in made for name in each.origins})


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
        complete: subjects of whom a volume tells of the origins of its origins, too. Those are not followed by name,
            since variants of variants have the same names as these.
        open: subjects of whom a volume does not.
    """

    names: dict[str, set[str]]
    complete: set[str]
    open: set[str]

    def closed(self, everywhere: dict[str, set[str]]) -> Origins:
        return {
            name: frozenset(origins) if name in self.complete - self.open else _closed(origins, everywhere)
            for name, origins in self.names.items()
        }


def _closed(names: Iterable[str], origins: dict[str, set[str]]) -> frozenset[str]:
    found, waiting = set(), set(names)
    while waiting:
        found |= waiting
        waiting = {origin for name in waiting for origin in origins.get(name, ())} - found
    return frozenset(found)


def _told(folder: Path) -> _Told:
    told = _Told({}, set(), set())
    for table in (folder / "participants.tsv", folder / "input" / "participants.tsv"):
        if table.exists():
            _add_table(table, told.names)
    for path in sorted(folder.glob("**/anat/[!.]*_T2w.json")):
        _add_volume(path, told)
    return told


def _add_table(path: Path, found: dict[str, set[str]]) -> None:
    table = read_table(path)
    columns = {plain_name(name): at for at, name in enumerate(table.header)}
    subject = next((columns[name] for name in SUBJECT_COLUMNS if name in columns), None)
    if subject is None:
        return
    for row in table.rows:
        cells = [row[columns[key]] for key in _KEYS if key in columns and columns[key] < len(row)]
        if subject < len(row) and not is_absent(row[subject]):
            found.setdefault(_subject(row[subject]), set()).update(_names(cells))


def _add_volume(path: Path, told: _Told) -> None:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FetaError(path, f"is no JSON ({error})", "mend it, or remove it") from error
    if not isinstance(content, dict):
        return
    subject = path.name.split("_")[0]
    values = {key.lower(): value for key, value in content.items() if key.lower() in _KEYS}
    (told.complete if "origins" in values else told.open).add(subject)
    told.names.setdefault(subject, set()).update(_names(values.values()))


def _names(values: Iterable[object]) -> set[str]:
    """Subjects that cells or values name: each one or several, as text or as a list."""
    each = [one for value in values for one in (value if isinstance(value, list) else [value])]
    parts = [part for one in each if isinstance(one, str) for part in _BETWEEN.split(one)]
    return {_subject(part) for part in parts if not is_absent(part)}


def _subject(name: str) -> str:
    """``sub-a`` of ``a``, ``sub-a``, or a volume's name or path."""
    return subject_key(PurePosixPath(name.strip()).name.removesuffix(".gz").removesuffix(".nii")).split("_")[0]


def write_origins(image: Path, origins: Iterable[str], **more: object) -> None:
    """Write the JSON file of a volume: whom it was made of, and those in turn, and more to tell.

    Raises:
        FetaError: it can't be written.
    """
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    write_atomically(path, json.dumps({**more, "origins": sorted(origins)}, indent=1) + "\n")
