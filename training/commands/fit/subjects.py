"""The labelled subjects that a network is trained and validated on, and what may surprise about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from feta.errors import FetaError
from training.commands.common import VALIDATION, require_folder
from training.engine.log import report

if TYPE_CHECKING:
    from training.data.split import Subjects


def training_subjects(
    atlases: Path,
    threads: int,
    everything: bool,
    also: Sequence[Path] = (),
    only: str | None = None,
    fold: tuple[int, int] | None = None,
    partial_labels: bool = False,
) -> Subjects:
    """Read subjects, and say whom nothing is learned from or measured on where that may surprise.

    Args:
        atlases: labelled folder.
        threads: of torch.
        everything: hold no subject out.
        also: other labelled folders to train on.
        only: pattern of the names that are trained on; None: all.
        fold: its number, and how many there are; its subjects take the place of the validation atlases.
        partial_labels: whether label maps may merge or lack tissues.

    Raises:
        FetaError: a folder is missing or unusable, no subject is left to train on, or options contradict each other.
    """
    import torch

    from training.data.split import read_subjects, validation_fold
    from training.engine import distributed

    for folder in (atlases, *also):
        require_folder(folder)
    torch.set_num_threads(threads)
    if everything and fold:
        raise FetaError("--everything", "leaves nothing for a fold to validate on", "leave out --fold")
    keep = partial(fnmatchcase, pat=only) if only else lambda name: True
    validation = validation_fold(atlases, *fold) if fold else () if everything else VALIDATION
    subjects = read_subjects(atlases, validation, keep, also, partial_labels)
    if not subjects.training:
        if only:
            problem = f"holds no subject to train on whose name fits --only {only!r}"
            raise FetaError(atlases, problem, "name another pattern")
        problem = "holds no subject to train on: all are held out, or derived from some that are"
        raise FetaError(atlases, problem, "train on them with --everything")
    if distributed.leads():
        if fold:
            names = dict.fromkeys(subject.name for subject in subjects.validation)
            report(f"fold {fold[0]} of {atlases} holds out: {' '.join(names)}")
        for line in _surprises(atlases, subjects, everything):
            report(line)
    return subjects


def _surprises(atlases: Path, subjects: Subjects, everything: bool) -> Iterator[str]:
    """Who is left out to prevent leakage, and why validation may tell less than expected; one line each."""
    from training.data.partial_labels import COMPLETE

    if subjects.left_out:
        name, origin = subjects.left_out[0]
        remedy = "; --everything learns from them, too" if origin in subjects.held_out else ""
        yield (
            f"subjects left out, as they are derived from some that are not trained on: {len(subjects.left_out)}, "
            f"such as {name} of {origin}{remedy}"
        )
    if known := subjects.known():
        yield f"{len(known)} of those held out, such as {known[0]}, share source subjects with those trained on"
    if not (subjects.validation or everything):
        yield f"{atlases}: no subject is held out; `fit segmentation --fold 0` holds out a fifth to validate on"
    if subjects.validation and not any(s.groups == COMPLETE for s in subjects.validation):
        yield f"{atlases}: labels of those held out merge tissues, so that the log will hold no figures but the loss"
