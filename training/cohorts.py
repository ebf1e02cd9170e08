"""Which subjects a network learns from, and which it never sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from feta.errors import FetaError
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
    """

    training: list[Subject]
    validation: list[Subject]
    more: list[Subject] = field(default_factory=list)

    def draw(self, draw: Draw, more: float) -> Subject:
        """One to learn from; from the other folders with the probability ``more``, where there are any."""
        pool = self.more if self.more and draw.chance(more) else self.training
        return pool[draw.integer(len(pool))]


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
        more: other labelled folders, which are trained on but for those of the same names.
        partial: whether label maps may merge or lack tissues (``training.partial_labels``).

    Raises:
        FetaError: a folder holds no labelled volume, or merges tissues where that is of no use.
    """
    subjects = _read(root, partial)
    return Subjects(
        [s for s in subjects if s.name not in validation and keep(s.name)],
        [s for s in subjects if s.name in validation],
        [s for folder in more for s in _read(folder, partial) if s.name not in validation],
    )


def _read(root: Path, partial: bool) -> list[Subject]:
    labelled = read_label_set(root)
    if labelled and labelled.groups != COMPLETE and not partial:
        raise FetaError(root / INDEX, "merges tissues, which this network must tell apart", "name another folder")

    def read(item: tuple[str, tuple[Path, Path]]) -> Subject:
        return read_subject(item[0].split("_")[0], *item[1], labelled)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, pairs(root).items()))
