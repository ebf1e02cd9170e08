"""The source subjects of labelled volumes: of variants the atlases, of simulated brains those the anatomy learned from.

A file ``*_T2w.json`` beside a volume names them, as ``feta-train data variants``, ``individuals``, ``heads`` and
``simulate`` write it, or participants.tsv: ``base``, ``partner`` or ``origins``, each a name or several. To learn from
what is derived from a held-out subject would be leakage (``training.data.leakage``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from feta.bids import subject_in
from feta.errors import FetaError
from feta.files import is_there, read_text, write_atomically
from feta.participants import SUBJECT_COLUMNS, subject_key
from feta.tables import is_absent, plain_name, read_table

#: The names of the source subjects of each subject of a folder; one that has none may be missing.
SourceSubjects = dict[str, frozenset[str]]
#: Keys of a volume's JSON file, and columns of participants.tsv.
_KEYS = ("base", "partner", "origins")
_BETWEEN = re.compile(r"[,;\s]+")


class Derived(Protocol):
    """What may be derived from subjects: a brain, a head, an atlas."""

    @property
    def source_subjects(self) -> frozenset[str]:
        """Names of the subjects that it is derived from."""


def all_source_subjects(derived: Iterable[Derived]) -> list[str]:
    """Names of the source subjects of all of them."""
    return sorted({name for each in derived for name in each.source_subjects})


def read_source_subjects(folders: Sequence[Path]) -> list[SourceSubjects]:
    """The source subjects of each folder's subjects, and theirs in turn, as far as any folder tells.

    Raises:
        FetaError: a file that would tell it can't be read.
    """
    read = [_read_folder(folder) for folder in folders]
    everywhere: dict[str, set[str]] = {}
    for each in read:
        for name, sources in each.names.items():
            everywhere.setdefault(name, set()).update(sources)
    return [each.closed(everywhere) for each in read]


@dataclass(frozen=True)
class _FolderSources:
    """What a folder tells.

    Attributes:
        names: the source subjects of each subject.
        complete: subjects of which a volume names the sources of its sources, too. Those are not followed by name,
            since variants of variants have the same names as these.
        open: subjects of which a volume does not.
    """

    names: dict[str, set[str]]
    complete: set[str]
    open: set[str]

    def closed(self, everywhere: dict[str, set[str]]) -> SourceSubjects:
        """With the sources of the sources, as far as any folder names them."""
        return {
            name: frozenset(sources) if name in self.complete - self.open else _closed(sources, everywhere)
            for name, sources in self.names.items()
        }


def _closed(names: Iterable[str], sources: dict[str, set[str]]) -> frozenset[str]:
    found, waiting = set(), set(names)
    while waiting:
        found |= waiting
        waiting = {source for name in waiting for source in sources.get(name, ())} - found
    return frozenset(found)


def _read_folder(folder: Path) -> _FolderSources:
    told = _FolderSources({}, set(), set())
    for table in (folder / "participants.tsv", folder / "input" / "participants.tsv"):
        if is_there(table):
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


def _add_volume(path: Path, told: _FolderSources) -> None:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FetaError(path, f"is no JSON ({error})", "correct or remove it") from error
    if not isinstance(content, dict):
        return
    subject = subject_in(path.name)
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
    return subject_in(subject_key(PurePosixPath(name.strip()).name.removesuffix(".gz").removesuffix(".nii")))


def write_source_subjects(image: Path, source_subjects: Iterable[str], **more: object) -> None:
    """Write the JSON file of a volume: its source subjects, theirs in turn, and more to tell.

    Raises:
        FetaError: it can't be written.
    """
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    write_atomically(path, json.dumps({**more, "origins": sorted(source_subjects)}, indent=1) + "\n")
