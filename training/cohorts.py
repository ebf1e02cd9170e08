"""Which subjects a network learns from, and which it never sees."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from training.atlas import Subject, pairs, read_subject


@dataclass(frozen=True)
class Subjects:
    """Training and validation subjects, read and ready to be sampled."""

    training: list[Subject]
    validation: list[Subject]


def read_subjects(root: Path, validation: tuple[str, ...], keep: Callable[[str], bool] = lambda name: True) -> Subjects:
    """Read a labelled BIDS folder.

    Args:
        root: holds ``sub-*/anat/*_T2w.nii.gz`` with ``*_T2w_dseg.nii.gz``.
        validation: subjects (``sub-crl24``) that are never trained on.
        keep: which of the others are trained on.
    """
    found = pairs(root)
    with ThreadPoolExecutor(2) as pool:
        subjects = list(pool.map(lambda item: read_subject(item[0].split("_")[0], *item[1]), found.items()))
    return Subjects(
        [s for s in subjects if s.name not in validation and keep(s.name)],
        [s for s in subjects if s.name in validation],
    )
