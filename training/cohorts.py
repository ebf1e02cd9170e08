"""Which subjects a network learns from, and which it never sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from feta.errors import FetaError
from feta.participants import subject_key
from feta.tables import is_absent, plain_name, read_table
from training.atlas import Subject, pairs, read_subject
from training.partial_labels import COMPLETE, INDEX, read_label_set
from training.randomness import Draw


@dataclass(frozen=True)
class Subjects:
    """Subjects, read and ready to be sampled.

    Attributes:
        training: to learn from.
        validation: never learned from.
        more: to learn from, too, of other folders (simulated individuals, variants of atlases).
        left_out: how many of those folders are not learned from, as they were made of subjects that are not either.
    """

    training: list[Subject]
    validation: list[Subject]
    more: list[Subject] = field(default_factory=list)
    left_out: int = 0

    def draw(self, draw: Draw, more: float) -> Subject:
        """One to learn from; from the other folders with the probability ``more``, where there are any."""
        pool = self.more if self.more and draw.chance(more) else self.training
        return pool[draw.integer(len(pool))]

    def names(self) -> dict[str, list[str]]:
        """Whom a run learns from and is measured on, by name."""
        return {"training": _names(self.training), "more": _names(self.more), "validation": _names(self.validation)}


def _names(subjects: Sequence[Subject]) -> list[str]:
    return [subject.name for subject in subjects]


def read_subjects(
    root: Path,
    validation: tuple[str, ...],
    keep: Callable[[str], bool] = lambda name: True,
    more: Sequence[Path] = (),
    partial: bool = False,
) -> Subjects:
    """Read a labelled BIDS folder.

    Args:
        root: holds ``sub-*/anat/*_T2w.nii.gz`` with ``*_T2w_dseg.nii.gz``.
        validation: subjects (``sub-crl24``) that are never trained on.
        keep: which of the others are trained on.
        more: other labelled folders, which are trained on but for subjects that ``root`` holds and are not
            trained on there, and variants of subjects that are not (``Base`` and ``Partner`` in participants.tsv).
        partial: whether label maps may merge or lack tissues (``training.partial_labels``).

    Raises:
        FetaError: a folder holds no labelled volume, or merges tissues where that is of no use.
    """

    def learned(name: str) -> bool:
        return name not in validation and keep(name)

    subjects = _read(root, partial, lambda name: name in validation or learned(name))
    here = {_subject(stem) for stem in pairs(root)}
    barred = {name for name in here if not learned(name)} | set(validation)
    others = [_read_more(folder, partial, barred, learned) for folder in more]
    return Subjects(
        [s for s in subjects if s.name not in validation],
        [s for s in subjects if s.name in validation],
        [s for found, _ in others for s in found],
        sum(left_out for _, left_out in others),
    )


def _read_more(
    folder: Path, partial: bool, barred: set[str], learned: Callable[[str], bool]
) -> tuple[list[Subject], int]:
    """Those of another folder that may be learned from, and how many may not for what they were made of."""
    made = {name for name, origins in _origins(folder).items() if not all(map(learned, origins))}
    found = _read(folder, partial, lambda name: name not in barred and name not in made)
    return found, len(made & {_subject(stem) for stem in pairs(folder)})


def _origins(folder: Path) -> dict[str, list[str]]:
    """The subjects that each one of a folder was made of, by its participants.tsv; one made of none may be missing."""
    path = folder / "participants.tsv"
    if not path.exists():
        return {}
    table = read_table(path)
    columns = {plain_name(name): at for at, name in enumerate(table.header)}
    found: dict[str, list[str]] = {}
    for row in table.rows:
        cells = {name: row[at] for name, at in columns.items() if at < len(row) and not is_absent(row[at])}
        if "participantid" in cells:
            origins = [subject_key(cells[name]) for name in ("base", "partner") if name in cells]
            found.setdefault(subject_key(cells["participantid"]), []).extend(origins)
    return found


def _read(root: Path, partial: bool, wanted: Callable[[str], bool]) -> list[Subject]:
    """Those subjects of a folder whose names are wanted."""
    labelled = read_label_set(root)
    if labelled and labelled.groups != COMPLETE and not partial:
        raise FetaError(root / INDEX, "merges tissues, which this network must tell apart", "name another folder")
    files = [(name, both) for stem, both in pairs(root).items() if wanted(name := _subject(stem))]

    def read(item: tuple[str, tuple[Path, Path]]) -> Subject:
        return read_subject(item[0], *item[1], labelled)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, files))


def _subject(stem: str) -> str:
    return stem.split("_")[0]
