"""What lies in an input folder: the volumes, their subjects and ages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from feta.bids import (
    Found,
    entries,
    session_of,
    single_volume,
    some_names,
    stacks_beside_reconstructions,
    stem,
    subject_of,
    volumes_below,
    without_twins,
)
from feta.errors import FetaError
from feta.participants import Participant, likely_meant, parse_age, read_participants, read_sessions, subject_key

_HERE = PurePosixPath(".")
#: How files end that people keep tables in.
_TABLES = (".tsv", ".csv", ".txt", ".xlsx", ".xls", ".ods", ".numbers")


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

    def all_usable(self) -> tuple[Case, ...]:
        """The cases, for work that makes no sense on a part of them.

        Raises:
            FetaError: the first of the files that can't be used.
        """
        if self.problems:
            raise self.problems[0]
        return self.cases


def find_cases(path: Path, participants: Path | None = None, *, stacks: bool = False) -> CaseList:
    """Find the volumes in a BIDS tree or a flat folder, or take a single file.

    Args:
        path: ``sub-*/[ses-*/]anat/*_T2w.nii[.gz]`` below it, or volumes right in it, or a volume.
        participants: table with the ages; by default participants.tsv or .csv of the data set.
        stacks: also raw stacks (``run-*`` without ``rec-``) that lie beside a reconstruction of them.

    Raises:
        FetaError: there is no volume at all, or none that is read.
    """
    found = volumes_below(path) if path.is_dir() else Found([single_volume(path)], [], [])
    images, warnings, problems = found.images, found.warnings, found.problems
    left = [] if stacks else stacks_beside_reconstructions(images)
    if left:
        images = [image for image in images if image not in left]
        warnings.append(
            f"{path}: {len(left)} raw stacks (run-*) beside their reconstruction (rec-*) are left out "
            f"({some_names(path.name for path in left)}); --stacks takes them, too"
        )
    return cases_of(images, path, participants, warnings, problems)


def cases_of(
    images: Iterable[Path],
    path: Path,
    participants: Path | None = None,
    warnings: Iterable[str] = (),
    problems: Iterable[FetaError] = (),
) -> CaseList:
    """The cases of volumes that were found, with the ages that tables tell.

    Args:
        images: the volumes.
        path: the folder below which they were found, or the only one of them.
        participants: table with the ages; by default participants.tsv or .csv of the data set.
        warnings: about what was found.
        problems: files that can't be used.
    """
    table, about_table, unusable = _ages(participants or _default_table(path), named=participants is not None)
    images, twins = without_twins(images)
    root = path if path.is_dir() else path.parent
    by_session, unusable_sessions = _session_ages(images)
    if by_session:
        table = {**(table or {}), **{name: _agreeing(person, table, name) for name, person in by_session.items()}}
    cases = tuple(case_of(image, root, table) for image in images)
    cases = _say_shared_ages(cases, table or {})
    return CaseList(cases, (*warnings, *about_table), (*problems, *twins, *unusable, *unusable_sessions))


def with_age(found: CaseList, text: str) -> CaseList:
    """The same cases with an age given on the command line (``--ga``)."""
    age, problem = parse_age(text)
    warnings = () if problem is None else (f"--ga: {problem}",)
    cases = [replace(case, age=age, warnings=warnings, age_is_impossible=problem is not None) for case in found.cases]
    # What was said about a table no longer matters.
    return CaseList(tuple(cases), (), found.problems)


def _default_table(path: Path) -> Path:
    """participants.tsv or .csv of a folder; for a single file of a BIDS tree, that of the tree."""
    folders = [path] if path.is_dir() else [path.parent]
    if not path.is_dir() and path.absolute().parent.name == "anat":
        folders += list(path.absolute().parents)[2:4]
    tables = [folder / name for folder in folders for name in ("participants.tsv", "participants.csv")]
    return next((table for table in tables if table.exists()), tables[0])


def _ages(path: Path, *, named: bool) -> tuple[dict[str, Participant] | None, tuple[str, ...], tuple[FetaError, ...]]:
    """The participants; or None with a warning where there is no table, or an error where it can't be used.

    Args:
        path: of the table.
        named: whether it was asked for, so that its absence is an error.
    """
    if not path.exists() and not path.is_symlink():
        if not named and (other := _table_of_another_name(path.parent)):
            problem = f"is not read, the table is called {path.name}; gestational ages are unknown"
            return None, (), (FetaError(other, problem, "rename it, or save it as text with tabs under that name"),)
        said = "there is no such table; gestational ages are unknown"
        return (None, (), (FetaError(path, said, "check the path"),)) if named else (None, (f"{path}: {said}",), ())
    try:
        return read_participants(path), (), ()
    except FetaError as error:
        return None, (), (FetaError(error.subject, f"{error.problem}; gestational ages are unknown", error.remedy),)


def _table_of_another_name(folder: Path) -> Path | None:
    """A file beside the volumes that is probably meant for the table: Participants.tsv, participants.xlsx."""
    found = [path for path in entries(folder) if path.name.lower().partition(".")[0] in ("participants", "participant")]
    return next((path for path in found if path.suffix.lower() in _TABLES), None)


def _session_ages(images: list[Path]) -> tuple[dict[str, Participant], list[FetaError]]:
    """What the subjects' tables of sessions say, ``sub-001/sub-001_sessions.tsv``, and those that can't be used."""
    found: dict[str, Participant] = {}
    problems: list[FetaError] = []
    for folder in dict.fromkeys(image.parent.parent.parent for image in images if session_of(image)):
        table = folder / f"{folder.name}_sessions.tsv"
        if not (table.exists() or table.is_symlink()):
            continue
        try:
            found |= read_sessions(table, subject_key(folder.name))
        except FetaError as error:
            problems.append(error)
    return found, problems


def _agreeing(told: Participant, table: dict[str, Participant] | None, name: str) -> Participant:
    """What a table of sessions says of one; without an age where the table of participants says another."""
    other = (table or {}).get(name)
    if other is None or told.age is None or other.age is None or other.age == told.age:
        return told
    said = (
        f"{name}: the table of participants ({other.age:g}) and that of sessions ({told.age:g}) differ, no gestational "
        "age is used"
    )
    return replace(told, age=None, warnings=(said,), age_is_impossible=True)


def _say_shared_ages(cases: tuple[Case, ...], table: dict[str, Participant]) -> tuple[Case, ...]:
    """The same cases; where one row's age serves several sessions of a subject, each says so."""
    sessions: dict[str, set[str]] = {}
    for case in cases:
        session = session_of(case.image)
        if session and case.age is not None and f"{subject_key(case.subject)}/{session}" not in table:
            sessions.setdefault(case.subject, set()).add(session)
    return tuple(
        replace(
            case,
            warnings=(
                *case.warnings,
                f"{case.subject}: one gestational age ({case.age:g}) for {len(sessions[case.subject])} sessions; a "
                f"column 'session_id' or {case.subject}_sessions.tsv tells them apart",
            ),
        )
        if case.age is not None and len(sessions.get(case.subject, ())) > 1
        else case
        for case in cases
    )


def case_of(image: Path, root: Path, table: dict[str, Participant] | None) -> Case:
    """The case of a volume below a root, with what the table of participants says of its subject."""
    folder = PurePosixPath(image.parent.relative_to(root).as_posix())
    subject = subject_of(image) if folder == _HERE else folder.parts[0]
    person = participant_of(subject, session_of(image), table)
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


def participant_of(subject: str, session: str | None, table: dict[str, Participant] | None) -> Participant:
    """The row of a subject's session, else the subject's; ``scanA_T2w`` and ``scanA_dseg`` also find ``scanA``.

    What is said of other sessions holds for none that isn't named. Without a table nothing is said again.
    """
    if table is None:
        return Participant(subject)
    for name in dict.fromkeys((subject, subject.removesuffix("_dseg").removesuffix("_T2w"))):
        key = subject_key(name)
        if session and (found := table.get(f"{key}/{session}")):
            return found
        others = sorted(other.split("/")[1] for other in table if other.startswith(f"{key}/"))
        if session and others:
            said = f"{key}: its session {session} has no age in the tables, where {some_names(others)} has"
            if meant := likely_meant(session, others):
                said += f"; '{meant}' is probably meant: write it as the volume's name has it"
            return replace(table.get(key, Participant(key)), age=None, warnings=(said,), age_is_impossible=False)
        if found := table.get(key):
            return found
    said = f"{subject}: no row in the participants table, gestational age unknown"
    if meant := likely_meant(subject.removesuffix("_dseg").removesuffix("_T2w"), list(table)):
        said += f"; '{meant}' is probably meant: write it as the volume's name has it"
    return Participant(subject, warnings=(said,))


def label_map_path(root: Path, case: Case) -> Path:
    """Where a case's label map belongs below the output root."""
    return root / case.folder / f"{case.name}_dseg.nii.gz"


def biometry_path(root: Path, case: Case) -> Path:
    """Where a case's lengths belong below the output root."""
    return root / case.folder / f"{case.name}_biom.csv"
