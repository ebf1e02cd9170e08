"""What participants.tsv, and the tables of sessions, say about each subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feta.age_columns import AgeColumns, find_age_columns
from feta.errors import FetaError
from feta.tables import Table, is_absent, parse_number, plain_name, read_table

#: Ages outside these weeks are taken for typing errors.
YOUNGEST_WEEKS, OLDEST_WEEKS = 14.0, 45.0

#: Names of columns, as plain_name() leaves them.
SUBJECT_COLUMNS = ("participantid", "participant", "subjectid", "subject", "sub")
_COLUMNS = {
    "subject": SUBJECT_COLUMNS,
    "session": ("sessionid", "session", "ses"),
    "pathology": ("pathology",),
    "site": ("site",),
    "reconstruction": ("reconstruction",),
    "field_strength": ("fieldstrength",),
    "quality": ("imagequality", "quality"),
    "in_domain": ("indomain",),
}
_TRUTH_VALUES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Participant:
    """One subject's row; None where the table doesn't say.

    Attributes:
        subject: with its prefix, ``sub-001``.
        age: gestational age in weeks; None when absent, impossible or contradictory.
        warnings: about the age, one line each.
        age_is_impossible: it stands there, but can't be right.
        listed_twice: the subject has more than one row, so that none of them can be trusted.
    """

    subject: str
    age: float | None = None
    pathology: str | None = None
    site: str | None = None
    reconstruction: str | None = None
    field_strength: str | None = None
    quality: float | None = None
    in_domain: bool | None = None
    warnings: tuple[str, ...] = ()
    age_is_impossible: bool = False
    listed_twice: bool = False


def subject_key(name: str) -> str:
    """The subject's name with ``sub-``, whether it had that or not."""
    stripped = name.strip()
    return stripped if stripped.lower().startswith("sub-") else f"sub-{stripped}"


def parse_age(text: str) -> tuple[float | None, str | None]:
    """Gestational age in weeks from a cell, and what is wrong with it (None: nothing).

    An empty cell gives ``(None, None)``.
    """
    if is_absent(text):
        return None, None
    weeks = parse_number(text)
    if weeks is None:
        return None, f"gestational age {text[:40]!r} is not a number of weeks (write {_in_weeks(text)}), it is not used"
    if not YOUNGEST_WEEKS <= weeks <= OLDEST_WEEKS:
        limits = f"{YOUNGEST_WEEKS:g} to {OLDEST_WEEKS:g} weeks"
        return None, f"gestational age {text[:40]!r} is outside {limits}, it is not used"
    return weeks, None


def _in_weeks(text: str) -> str:
    """What to write for weeks and days, as ``28+3`` and ``28w3d``; an example for anything else."""
    found = re.fullmatch(
        r"\s*(\d{1,2})\s*(?:\+|\s|w(?:ee)?ks?,?|w)\s*([0-6])\s*(?:/\s*7)?\s*(?:d(?:ays?)?)?\s*", text.lower()
    )
    return f"{int(found[1]) + int(found[2]) / 7:.1f}" if found else "28.3"


def session_key(name: str) -> str:
    """The session's name with ``ses-``, whether it had that or not."""
    stripped = name.strip()
    return stripped if stripped.lower().startswith("ses-") else f"ses-{stripped}"


def read_participants(path: Path) -> dict[str, Participant]:
    """Read a participants table (TSV or CSV), by subject with its ``sub-`` prefix.

    A table with a column ``session_id`` has an entry ``sub-001/ses-01`` for each row as well; the subject's own entry
    then has an age only where all its sessions have the same.

    Raises:
        FetaError: the file is missing, empty, no text, or has no column for the subject.
    """
    table = read_table(path)
    columns = _find_columns(table)
    if "subject" not in columns:
        raise FetaError(path, "has no column 'participant_id'", "name its columns in the first line")
    ages = find_age_columns(table.header)
    participants: dict[str, Participant] = {}
    sessions: dict[str, list[Participant]] = {}
    for number, row in enumerate(table.rows):
        cells = {field: row[at] if at < len(row) else "" for field, at in columns.items()}
        if is_absent(cells["subject"]):
            continue
        subject = subject_key(cells["subject"])
        person = _participant(subject, cells, _age(table, number, ages), path, ages.missing)
        name = subject
        if not is_absent(cells.get("session", "")):
            name = f"{subject}/{session_key(cells['session'])}"
            sessions.setdefault(subject, []).append(person)
        participants[name] = _twice(participants[name], path) if name in participants else person
    for subject, rows in sessions.items():
        participants.setdefault(subject, _of_all_sessions(rows, path))
    return participants


def read_sessions(path: Path, subject: str) -> dict[str, Participant]:
    """Read a subject's ``sub-001_sessions.tsv``: an entry ``sub-001/ses-01`` for each row that has an age.

    Raises:
        FetaError: the file is missing, empty, no text, or has no column for the session.
    """
    table = read_table(path)
    columns = _find_columns(table)
    if "session" not in columns:
        raise FetaError(path, "has no column 'session_id'", "name its columns in the first line")
    ages = find_age_columns(table.header)
    found: dict[str, Participant] = {}
    for number, row in enumerate(table.rows if ages.places else ()):
        cells = {field: row[at] if at < len(row) else "" for field, at in columns.items()}
        age, problem = _age(table, number, ages)
        if is_absent(cells["session"]) or (age is None and not problem):
            continue
        name = f"{subject}/{session_key(cells['session'])}"
        person = _participant(subject, cells, (age, problem), path)
        found[name] = _twice(found[name], path) if name in found else person
    return found


def likely_meant(subject: str, names: Sequence[str]) -> str | None:
    """The name among others that is probably another spelling of a subject: sub-1, Sub-01, 01, sub-01_ses-a."""
    wanted = _spelling(subject)
    return next((name for name in names if _spelling(name) == wanted), None)


def _spelling(name: str) -> str:
    """A subject's or session's name without case, prefix, what follows, and leading zeros."""
    bare = re.sub(r"^((sub|ses)[-_ ]?)+", "", name.lower().strip())
    return re.sub(r"[^a-z0-9]", "", bare.split("_")[0].split("/")[0]).lstrip("0")


def _age(table: Table, number: int, ages: AgeColumns) -> tuple[float | None, str | None]:
    """A row's age, and why it isn't used; columns that differ, and rows that don't fit the header, give none."""
    row, misfit = table.rows[number], table.misfit(number)
    if misfit:  # which cell is missing, or one too many, nobody knows
        return None, f"{misfit}: its gestational age is not used"
    told = [(at, row[at]) for at in ages.places if at < len(row) and not is_absent(row[at])]
    if not told:
        return None, None
    found = [parse_age(text) for _, text in told]
    if len({weeks for weeks, problem in found if not problem}) > 1:
        said = " and ".join(f"'{table.header[at]}' ({text})" for at, text in told)
        return None, f"columns {said} differ, no gestational age is used"
    return next((one for one in found if one[1]), found[0])


def _find_columns(table: Table) -> dict[str, int]:
    """Position of each known column; where two names fit, the first column counts."""
    found = {}
    for at, name in reversed(list(enumerate(table.header))):
        for field, names in _COLUMNS.items():
            if plain_name(name) in names:
                found[field] = at
    return found


def _participant(
    subject: str, cells: dict[str, str], told: tuple[float | None, str | None], path: Path, missing: str = ""
) -> Participant:
    text = {field: None if is_absent(cell) else cell for field, cell in cells.items()}
    age, problem = told
    warnings = (f"{subject}: {problem}",) if problem else ()
    if age is None and not problem:
        warnings = (f"{subject}: no gestational age in {path.name}" + (f" ({missing})" if missing else ""),)
    return Participant(
        subject,
        age,
        pathology=text.get("pathology"),
        site=text.get("site"),
        reconstruction=text.get("reconstruction"),
        field_strength=text.get("field_strength"),
        quality=parse_number(text.get("quality") or ""),
        in_domain=_TRUTH_VALUES.get((text.get("in_domain") or "").lower()),
        warnings=warnings,
        age_is_impossible=problem is not None,
    )


def _twice(first: Participant, path: Path) -> Participant:
    warning = f"{first.subject}: listed twice in {path.name}, its gestational age is not used"
    return replace(first, age=None, warnings=(warning,), listed_twice=True)


def _of_all_sessions(rows: Sequence[Participant], path: Path) -> Participant:
    """What holds for a subject whatever the session: that in which all its rows agree."""
    told = ("pathology", "site", "reconstruction", "field_strength", "quality", "in_domain")
    differing = [name for name in told if len({getattr(person, name) for person in rows}) > 1]
    nothing: dict[str, Any] = dict.fromkeys(differing)
    person = replace(rows[0], **nothing)
    if len({row.age for row in rows}) == 1:
        return person
    warning = f"{person.subject}: its sessions have different ages in {path.name}, and no session was named"
    return replace(person, age=None, warnings=(warning,), age_is_impossible=False)
