"""What participants.tsv says about each subject."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from feta.errors import FetaError
from feta.tables import Table, is_absent, parse_number, plain_name, read_table

#: Ages outside these weeks are taken for typing errors.
YOUNGEST_WEEKS, OLDEST_WEEKS = 14.0, 45.0

#: Names of columns, as plain_name() leaves them.
SUBJECT_COLUMNS = ("participantid", "participant", "subjectid", "subject", "sub")
_COLUMNS = {
    "subject": SUBJECT_COLUMNS,
    "age": ("gestationalage", "ga", "gestationalageweeks", "gestationalageinweeks", "gaweeks"),
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
    return stripped if stripped.startswith("sub-") else f"sub-{stripped}"


def parse_age(text: str) -> tuple[float | None, str | None]:
    """Gestational age in weeks from a cell, and what is wrong with it (None: nothing).

    An empty cell gives ``(None, None)``.
    """
    if is_absent(text):
        return None, None
    weeks = parse_number(text)
    if weeks is None:
        return None, f"gestational age {text[:40]!r} is not a number of weeks (write 28.3), it is not used"
    if not YOUNGEST_WEEKS <= weeks <= OLDEST_WEEKS:
        limits = f"{YOUNGEST_WEEKS:g} to {OLDEST_WEEKS:g} weeks"
        return None, f"gestational age {text[:40]!r} is outside {limits}, it is not used"
    return weeks, None


def read_participants(path: Path) -> dict[str, Participant]:
    """Read a participants table (TSV or CSV), by subject with its ``sub-`` prefix.

    Raises:
        FetaError: the file is missing, empty, or has no column for the subject.
    """
    table = read_table(path)
    columns = _find_columns(table)
    if "subject" not in columns:
        raise FetaError(path, "has no column 'participant_id'", "name its columns in the first line")
    participants: dict[str, Participant] = {}
    for row in table.rows:
        cells = {field: row[at] if at < len(row) else "" for field, at in columns.items()}
        if is_absent(cells["subject"]):
            continue
        subject = subject_key(cells["subject"])
        first = participants.get(subject)
        participants[subject] = _twice(first, path) if first else _participant(subject, cells, path)
    return participants


def _find_columns(table: Table) -> dict[str, int]:
    """Position of each known column; where two names fit, the first column counts."""
    found = {}
    for at, name in reversed(list(enumerate(table.header))):
        for field, names in _COLUMNS.items():
            if plain_name(name) in names:
                found[field] = at
    return found


def _participant(subject: str, cells: dict[str, str], path: Path) -> Participant:
    text = {field: None if is_absent(cell) else cell for field, cell in cells.items()}
    age, problem = parse_age(cells.get("age", ""))
    warnings = (f"{subject}: {problem}",) if problem else ()
    if age is None and not problem:
        warnings = (f"{subject}: no gestational age in {path.name}",)
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
