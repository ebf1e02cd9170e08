"""Which subjects a network learns from, and which it never sees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from feta.bids import subject_in
from feta.errors import FetaError
from feta.files import is_there
from feta.participants import read_participants
from training.data.leakage import leaks
from training.data.partial_labels import COMPLETE, INDEX, read_label_set
from training.data.provenance import SourceSubjects, all_source_subjects, read_source_subjects
from training.data.subject import Subject, pairs, read_subject
from training.imaging.random_source import RandomSource


@dataclass(frozen=True)
class Subjects:
    """Subjects, read and ready to be sampled.

    Attributes:
        training: to learn from.
        validation: never learned from.
        more: to learn from, too, of other folders (simulated individuals, variants of atlases).
        left_out: those not learned from, as they are derived from an excluded subject: their names, and its.
        held_out: names that are never learned from: those of ``validation``, and of source subjects held out.
        excluded: names that this run does not learn from: these, and those that nobody chose to learn from.
    """

    training: list[Subject]
    validation: list[Subject]
    more: list[Subject] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    held_out: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def known(self) -> list[str]:
        """Those of ``validation`` that share source subjects with what is learned from, or are derived from it."""
        learned = [*self.training, *self.more]
        names = {subject.name for subject in learned}.union(*(subject.source_subjects for subject in learned))
        return [subject.name for subject in self.validation if names & subject.source_subjects]

    def draw(self, draw: RandomSource, more: float) -> Subject:
        """One to learn from; from the other folders with the probability ``more``, where there are any."""
        pool = self.more if self.more and draw.bernoulli(more) else self.training
        return pool[draw.integer(len(pool))]

    def names(self) -> dict[str, list[str]]:
        """For a run's lineage: names that it learns from, their source subjects, those held out and validated on."""
        learned = {"training": _names(self.training), "more": _names(self.more)}
        held_out = {"validation": _names(self.validation), "held_out": sorted(self.held_out)}
        return learned | {"origins": all_source_subjects([*self.training, *self.more])} | held_out


def _names(subjects: Sequence[Subject]) -> list[str]:
    return [subject.name for subject in subjects]


def read_subjects(
    root: Path,
    validation: tuple[str, ...],
    keep: Callable[[str], bool] = lambda name: True,
    more: Sequence[Path] = (),
    partial: bool = False,
) -> Subjects:
    """Read a labelled BIDS folder, without leakage from the subjects held out.

    Args:
        root: holds ``sub-*/anat/*_T2w.nii.gz`` with ``*_T2w_dseg.nii.gz``.
        validation: subjects (``sub-crl24``) that are never trained on.
        keep: which of the others are trained on.
        more: other labelled folders, which are trained on but for subjects that ``root`` holds and are not
            trained on there. Nothing derived from such a subject is trained on either (``training.data.provenance``).
        partial: whether label maps may merge or lack tissues (``training.data.partial_labels``).

    Raises:
        FetaError: a folder holds no labelled volume, or merges tissues where that is of no use.
    """
    sources, *more_sources = read_source_subjects([root, *more])
    here = {subject_in(stem) for stem in pairs(root)}
    excluded = frozenset(validation) | {name for name in here if not keep(name)}
    subjects = _read(root, partial, sources, excluded, validation)
    others = [_read(folder, partial, of, excluded) for folder, of in zip(more, more_sources, strict=True)]
    met = here.union(*(names for each in (sources, *more_sources) for names in each.values()))
    return Subjects(
        [s for s in subjects.found if s.name not in validation],
        [s for s in subjects.found if s.name in validation],
        [s for each in others for s in each.found],
        [pair for each in (subjects, *others) for pair in each.left_out.items()],
        frozenset(met.intersection(validation)),
        excluded,
    )


@dataclass(frozen=True)
class _Read:
    """Subjects of a folder, and those that are not among them, with an excluded subject that each is derived from."""

    found: list[Subject]
    left_out: dict[str, str]


def _read(
    root: Path,
    partial: bool,
    sources: SourceSubjects,
    excluded: frozenset[str],
    always: Collection[str] = (),
) -> _Read:
    """The subjects of a folder that leak no excluded one, and those that are read in any case."""
    labelled = read_label_set(root)
    if labelled and labelled.groups != COMPLETE and not partial:
        raise FetaError(root / INDEX, "merges tissues, which this network must tell apart", "name another folder")
    files = pairs(root)
    of = {stem: sources.get(subject_in(stem), frozenset()) for stem in files}
    allowed = [stem for stem in files if subject_in(stem) in always or subject_in(stem) not in excluded]
    wanted = [stem for stem in allowed if subject_in(stem) in always or not leaks(subject_in(stem), of[stem], excluded)]

    def read(stem: str) -> Subject:
        return replace(read_subject(subject_in(stem), *files[stem], labelled), source_subjects=of[stem])

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(read, wanted))
    return _Read(found, {subject_in(stem): min(excluded & of[stem]) for stem in allowed if stem not in wanted})


#: As nnU-Net.
FOLDS = 5


def validation_fold(root: Path, fold: int, folds: int = FOLDS) -> tuple[str, ...]:
    """The subjects of one fold, the same in every call.

    Subjects are sorted by site (where ``participants.tsv`` names one) and name, and dealt out in turn, so that each
    fold has its share of each site. All reconstructions of a subject are in one fold.

    Args:
        root: labelled folder.
        fold: 0 … folds − 1.
        folds: how many there are.

    Raises:
        FetaError: there is no such fold, or there are fewer subjects than folds.
    """
    if not 0 <= fold < folds:
        raise FetaError("--fold", f"{fold} is not one of 0 to {folds - 1}")
    names = {subject_in(name) for name in pairs(root)}
    if len(names) < folds:
        raise FetaError(
            root, f"holds {len(names)} subjects, fewer than {folds} folds", "name a lower number of --folds"
        )
    sites = _sites(root)
    return tuple(sorted(names, key=lambda name: (sites.get(name, ""), name))[fold::folds])


def _sites(root: Path) -> dict[str, str]:
    for path in (root / "participants.tsv", root / "input" / "participants.tsv"):
        if is_there(path):
            return {name: person.site or "" for name, person in read_participants(path).items()}
    return {}
