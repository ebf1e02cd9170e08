"""What lies in an input folder: the volumes, their subjects and ages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from feta.errors import FetaError
from feta.files import read_text
from feta.participants import Participant, parse_age, read_participants, subject_key
from feta.tables import plain_name

_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
#: Results, masks and landmarks are never input.
_NOT_INPUT = ("_dseg", "_meas", "_mask", "_seg_result")
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
        images = _bids_volumes(path) or _volumes(path)
        root = path
    else:
        root, images = path.parent, [path] if _ENDING.search(path.name) else []
        if images and not path.exists() and not path.is_symlink():
            raise FetaError(path, "does not exist")
    if not images:
        remedy = "give a .nii.gz file, a folder of them, or a tree sub-*/anat/*_T2w.nii.gz"
        raise FetaError(path, "holds no volume" if path.is_dir() else "is no folder and no volume", remedy)
    table, warnings = _ages(participants or _default_table(path))
    images, problems = _without_twins(images)
    cases = tuple(_case(image, root, table) for image in images)
    return CaseList(cases, warnings, problems)


def find_cases_2021(images: Path, meta: Path) -> CaseList:
    """Find the volumes of the 2021 layout: ``images/anat/*_T2w.nii.gz``, and one meta.json for them.

    Raises:
        FetaError: there is no volume at all.
    """
    found = [p for p in _volumes(images / "anat") or _volumes(images) if _stem(p).endswith("_T2w")]
    if not found:
        raise FetaError(images, "holds no volume", "expected anat/*_T2w.nii.gz")
    try:
        row, warnings = _read_meta(meta), ()
    except FetaError as error:
        row, warnings = None, (f"{error}; gestational ages are unknown",)
    found, problems = _without_twins(found)
    table = {subject_key(_subject(p)): _from_meta(_subject(p), row) for p in found} if row is not None else None
    return CaseList(tuple(_case(p, p.parent, table) for p in found), warnings, problems)


def _stem(path: Path) -> str:
    return _ENDING.sub("", path.name)


def _subject(image: Path) -> str:
    prefix = re.match(r"sub-[A-Za-z0-9]+", image.name)
    return prefix.group() if prefix else _stem(image)


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files; nothing where it can't be listed."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def _folders(folder: Path, prefix: str) -> list[Path]:
    """Subfolders by prefix; a link is not followed, so that no file is found twice or outside."""
    return [p for p in _entries(folder) if p.name.startswith(prefix) and p.is_dir() and not p.is_symlink()]


def _volumes(folder: Path) -> list[Path]:
    """Volumes right in a folder. Links among them are kept: the reader says why it refuses them."""
    files = [p for p in _entries(folder) if _ENDING.search(p.name) and (p.is_symlink() or not p.is_dir())]
    return [p for p in files if not _stem(p).endswith(_NOT_INPUT)]


def _bids_volumes(root: Path) -> list[Path]:
    subjects = _folders(root, "sub-")
    sessions = [session for subject in subjects for session in _folders(subject, "ses-")]
    images = [image for folder in subjects + sessions for image in _volumes(folder / "anat")]
    return sorted(image for image in images if _stem(image).endswith("_T2w"))


def _without_twins(images: Iterable[Path]) -> tuple[list[Path], tuple[FetaError, ...]]:
    """Leave out volumes that have a neighbour of the same name and another ending: which one is meant?"""
    kept, problems = [], {}
    for image in images:
        stem = _stem(image)
        names = sorted(p.name for p in _entries(image.parent) if _ENDING.search(p.name) and _stem(p) == stem)
        if len(names) > 1:
            both = " and ".join(names)
            problems[image.parent / stem] = FetaError(image.parent / stem, f"{both} lie side by side", "remove one")
        else:
            kept.append(image)
    return kept, tuple(problems.values())


def _default_table(path: Path) -> Path:
    """participants.tsv or .csv of a folder; for a single file of a BIDS tree, that of the tree."""
    folders = [path] if path.is_dir() else [path.parent]
    if not path.is_dir() and path.absolute().parent.name == "anat":
        folders += list(path.absolute().parents)[2:4]
    tables = [folder / name for folder in folders for name in ("participants.tsv", "participants.csv")]
    return next((table for table in tables if table.exists()), tables[0])


def _ages(path: Path) -> tuple[dict[str, Participant] | None, tuple[str, ...]]:
    """The participants, or None and one warning where there is no usable table."""
    try:
        return read_participants(path), ()
    except FetaError as error:
        return None, (f"{error}; gestational ages are unknown",)


def _case(image: Path, root: Path, table: dict[str, Participant] | None) -> Case:
    folder = PurePosixPath(image.parent.relative_to(root).as_posix())
    subject = _subject(image) if folder == _HERE else folder.parts[0]
    person = _lookup(subject, table)
    return Case(
        subject,
        _stem(image),
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


def _read_meta(path: Path) -> dict[str, object]:
    """The keys (plain names) and values of a 2021 meta.json, or of the one in a folder.

    Raises:
        FetaError: it can't be read or holds no object.
    """
    file = path / "meta.json" if path.is_dir() else path
    try:
        values = json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise FetaError(file, "is not JSON") from error
    if not isinstance(values, dict):
        raise FetaError(file, "holds no object with keys 'Pathology' and 'Gestational age'")
    return {plain_name(key): value for key, value in values.items()}


def _from_meta(subject: str, row: dict[str, object]) -> Participant:
    value = row.get("gestationalage", row.get("ga"))
    age, problem = parse_age("" if value is None else str(value))
    said = problem or (None if age else "no gestational age in meta.json")
    pathology = row.get("pathology")
    return Participant(
        subject,
        age,
        pathology=pathology if isinstance(pathology, str) else None,
        warnings=(f"{subject}: {said}",) if said else (),
        age_is_impossible=problem is not None,
    )
