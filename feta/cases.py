"""What lies in an input folder: the volumes, their subjects and ages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from feta.bids import (
    entries,
    folders,
    is_volume_name,
    stem,
    subject_of,
    subject_volumes,
    volumes,
    without_twins,
)
from feta.errors import FetaError
from feta.participants import Participant, read_participants, subject_key

_HERE = PurePosixPath(".")


@dataclass(frozen=True)
class Case:
    """One volume to process.

    Attributes:
        subject: ``sub-001``; for a flat file without such a prefix, its name without ending.
        name: the file's name without .nii or .nii.gz, e.g. ``sub-001_rec-mial_T2w``.
        image: the file.
        folder: folder below the output root that mirrors the input (``sub-001/anat``; ``.`` if flat).
        age: gestational age in weeks; None when absent, impossible or contradictory.
        pathology: as the table spells it.
        warnings: about the age, one line each.
        age_is_impossible: the age, or the subject's being listed twice, makes the exit status 1.
    """

    subject: str
    name: str
    image: Path
    folder: PurePosixPath
    age: float | None
    pathology: str | None
    warnings: tuple[str, ...]
    age_is_impossible: bool = False


@dataclass(frozen=True)
class CaseList:
    """The cases found, general warnings, and files that can't be used."""

    cases: tuple[Case, ...]
    warnings: tuple[str, ...]
    problems: tuple[FetaError, ...]


def find_cases(path: Path, participants: Path | None = None) -> CaseList:
    """Find the volumes in a BIDS tree or a flat folder, or take a single file.

    Args:
        path: ``sub-*/[ses-*/]anat/*_T2w.nii[.gz]`` below it, or volumes right in it, or a volume.
        participants: table with the ages; by default participants.tsv or .csv of the data set.

    Raises:
        FetaError: there is no volume at all.
    """
    if path.is_dir():
        images, warnings, problems = _in_folder(path)
    else:
        images, warnings, problems = [_single(path)], [], []
    if not images and not problems:
        remedy = "give a .nii.gz file, a folder of them, or a tree sub-*/anat/*_T2w.nii.gz"
        raise FetaError(path, "holds no volume", remedy)
    table, about_table = _ages(participants or _default_table(path))
    images, twins = without_twins(images)
    root = path if path.is_dir() else path.parent
    cases = tuple(case_of(image, root, table) for image in images)
    return CaseList(cases, (*warnings, *about_table), (*problems, *twins))


def _single(path: Path) -> Path:
    """A volume that was named itself. A link is for the reader to refuse."""
    if not path.exists() and not path.is_symlink():
        raise FetaError(path, "does not exist")
    if not is_volume_name(path):
        raise FetaError(path, "is no volume", "give a .nii.gz file or a folder")
    return path


def _in_folder(root: Path) -> tuple[list[Path], list[str], list[FetaError]]:
    """Volumes of a BIDS tree, else those right in the folder; warnings; subjects that can't be listed."""
    images: list[Path] = []
    warnings: list[str] = []
    problems: list[FetaError] = []
    for subject in folders(root, "sub-"):
        try:
            found = subject_volumes(subject)
        except FetaError as error:
            problems.append(error)
            continue
        images += found
        if not found:
            warnings.append(f"{subject}: holds no anat/*_T2w.nii.gz")
    links = [p for p in entries(root) if p.name.startswith("sub-") and p.is_symlink() and p.is_dir()]
    warnings += [f"{link}: is a link, not followed; put the folder itself there" for link in links]
    beside = volumes(root)
    if images and beside:
        warnings.append(f"{root}: {len(beside)} volumes beside the sub-* folders are not read")
    return images or beside, warnings, problems


def _default_table(path: Path) -> Path:
    """participants.tsv or .csv of a folder; for a single file of a BIDS tree, that of the tree."""
    folders = [path] if path.is_dir() else [path.parent]
    if not path.is_dir() and path.absolute().parent.name == "anat":
        folders += list(path.absolute().parents)[2:4]
    tables = [folder / name for folder in folders for name in ("participants.tsv", "participants.csv")]
    return next((table for table in tables if table.exists()), tables[0])


def _ages(path: Path) -> tuple[dict[str, Participant] | None, tuple[str, ...]]:
    """The participants, or None and one warning where there is no usable table."""
    if not path.exists():
        return None, (f"{path}: there is no such table; gestational ages are unknown",)
    try:
        return read_participants(path), ()
    except FetaError as error:
        return None, (f"{error}; gestational ages are unknown",)


def case_of(image: Path, root: Path, table: dict[str, Participant] | None) -> Case:
    """The case of a volume below a root, with what the table of participants says of its subject."""
    folder = PurePosixPath(image.parent.relative_to(root).as_posix())
    subject = subject_of(image) if folder == _HERE else folder.parts[0]
    person = _lookup(subject, table)
    return Case(
        subject,
        stem(image),
        image,
        folder,
        person.age,
        person.pathology,
        person.warnings,
        person.age_is_impossible or person.listed_twice,
    )


def _lookup(subject: str, table: dict[str, Participant] | None) -> Participant:
    """A subject's row; ``scanA_T2w`` also finds ``scanA``. Without a table nothing is said again."""
    if table is None:
        return Participant(subject)
    for name in (subject, subject.removesuffix("_T2w")):
        if found := table.get(subject_key(name)):
            return found
    return Participant(subject, warnings=(f"{subject}: no row in the participants table, gestational age unknown",))


def label_map_path(root: Path, case: Case) -> Path:
    """Where a case's label map belongs below the output root."""
    return root / case.folder / f"{case.name}_dseg.nii.gz"


def biometry_path(root: Path, case: Case) -> Path:
    """Where a case's lengths belong below the output root."""
    return root / case.folder / f"{case.name}_biom.csv"
