"""The cases of a run as ``cohort.tsv`` tells of them, read by the names of its columns."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from feta.errors import FetaError
from feta.files import read_text
from feta.tables import parse_number, read_table
from inference.morphometry.norms import DIFFER

TABLE, DICTIONARY = "cohort.tsv", "cohort.json"
FAILED = "failed"
_ABSENT = ("", "n/a")
#: A size has a column of its own name, and these of it.
_Z, _CENTILE, _FLAG = "_z", "_centile", "_flag"
#: A size that all sources find extreme, but at different z, counts as much as one at the edge of the norms.
_AT_THE_EDGE = 2.0


@dataclass(frozen=True)
class SizeName:
    """A size of the table: its key, its name in words, and its unit."""

    key: str
    title: str
    unit: str


@dataclass(frozen=True)
class Size:
    """What a case has of a size; None where the table has nothing."""

    value: float | None
    z: float | None = None
    centile: float | None = None
    flag: str = ""

    @property
    def far(self) -> float:
        """How far it lies from what healthy fetuses have, standard deviations; 0 where nobody knows."""
        if self.z is not None:
            return abs(self.z)
        return _AT_THE_EDGE if "below" in self.flag or "above" in self.flag else 0.0


@dataclass(frozen=True)
class CohortCase:
    """One row.

    Attributes:
        subject: participant.
        session: empty where there is none.
        case: the volume's place below the output folder, without ending.
        age: weeks; None where unknown.
        status: 'done', 'failed'.
        warnings: what was said of it.
        error: why it failed.
        verdict: 'unjudged', 'accept', 'check', 'reject'; empty where there is none.
        reasons: why it is not accepted.
        sizes: by key.
    """

    subject: str
    session: str
    case: str
    age: float | None
    status: str
    warnings: tuple[str, ...]
    error: str
    sizes: dict[str, Size]
    verdict: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is no result."""
        return self.status == FAILED

    def outliers(self) -> list[tuple[str, Size]]:
        """Sizes at or beyond the edge of the norms, the farthest first."""
        flagged = [(k, s) for k, s in self.sizes.items() if s.far > 0 and ("below" in s.flag or "above" in s.flag)]
        return sorted(flagged, key=lambda each: -each[1].far)

    @property
    def placed(self) -> bool:
        """Whether any of its sizes has a place among healthy fetuses, be it by sources that differ."""
        return any(s.z is not None or s.far > 0 or s.flag.startswith(DIFFER) for s in self.sizes.values())

    @property
    def far(self) -> float:
        """How far its farthest size lies from what healthy fetuses have, standard deviations."""
        return max((s.far for s in self.sizes.values()), default=0.0)

    @property
    def gravity(self) -> int:
        """2 where the result is rejected, 1 where it is to be checked."""
        return {"reject": 2, "check": 1}.get(self.verdict, 0)

    def urgency(self) -> tuple[bool, int, bool, float, int]:
        """The larger, the earlier it is shown: failed ones, by verdict, those without a place, then the farthest."""
        return self.failed, self.gravity, not self.placed, self.far, len(self.warnings)

    def beside(self, root: Path, ending: str) -> Path | None:
        """A file of the case: beside its label map or, in BIDS, among its subject's figures; None without one."""
        place = PurePosixPath(self.case)
        if not self.case or place.is_absolute() or ".." in place.parts:
            return None
        figures = root / place.parts[0] / "figures" / f"{place.name.removesuffix('_T2w')}{ending}"
        return next((path for path in (root / f"{place}{ending}", figures) if path.is_file()), None)


@dataclass(frozen=True)
class Cohort:
    """All cases, the ones to look at first, and which sizes they have."""

    cases: tuple[CohortCase, ...]
    sizes: tuple[SizeName, ...]


def read_cohort(root: Path) -> Cohort:
    """Read the table of an output folder. Columns that it doesn't know are left alone.

    Raises:
        FetaError: there is none, or it can't be used.
    """
    path = root / TABLE
    if not path.is_file():
        raise FetaError(root, f"holds no {TABLE}", "name the OUTPUT of a run of feta-infer")
    table = read_table(path)
    missing = {"participant_id", "case", "status"} - set(table.header)
    if missing:
        raise FetaError(path, f"has no column {', '.join(sorted(missing))}", "run feta-infer again into this folder")
    keys = [name for name in table.header if name + _Z in table.header]
    cases = []
    for number, row in enumerate(table.rows):
        if misfit := table.misfit(number):
            raise FetaError(path, misfit, "run feta-infer again into this folder")
        cases.append(_case(dict(zip(table.header, row, strict=False)), keys))
    ordered = sorted(cases, key=lambda c: c.urgency(), reverse=True)
    return Cohort(tuple(ordered), _names(root / DICTIONARY, keys))


def _case(row: dict[str, str], keys: list[str]) -> CohortCase:
    def words(name: str) -> str:
        text = row.get(name, "")
        return "" if text.lower() in _ABSENT else text

    said = tuple(line for line in words("warnings").split("; ") if line)
    sizes = {
        key: Size(_number(words(key)), _number(words(key + _Z)), _number(words(key + _CENTILE)), words(key + _FLAG))
        for key in keys
    }
    return CohortCase(
        words("participant_id"), words("session_id"), words("case"), _number(words("gestational_age")),
        words("status"), said, words("error"), sizes, words("verdict"),
        tuple(line for line in words("verdict_reasons").split("; ") if line),
    )  # fmt: skip


def _number(text: str) -> float | None:
    number = parse_number(text)
    return number if number is not None and math.isfinite(number) else None


def _names(path: Path, keys: list[str]) -> tuple[SizeName, ...]:
    """Names and units by the table's dictionary; a size that it doesn't describe is called by its key."""
    try:
        described = json.loads(read_text(path))
    except (FetaError, ValueError):
        described = {}
    found = []
    for key in keys:
        column = described.get(key) if isinstance(described, dict) else None
        column = column if isinstance(column, dict) else {}
        found.append(SizeName(key, str(column.get("LongName") or key), str(column.get("Units") or "")))
    return tuple(found)
