"""A team's ``…_confidence.csv`` of one case, read and checked: what it expects of its own results.

One row a figure: ``case``, ``measure`` (``dice``, ``hd95``, ``volume``, ``length``), ``target`` (a tissue or a length),
``value``, ``low`` and ``high``, the ends of an interval that holds the truth with a chance of 90 %. A team may leave
out any row, or the file: nothing is ranked by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluation.submissions.find import case_key
from evaluation.submissions.intake import PrivateCopy, RejectedError
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError, HostError, printable
from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS
from feta.tables import CONFIDENCE_COLUMNS, parse_number, plain_name, read_table

_TISSUES, _LENGTHS = tuple(t.name for t in TISSUES), tuple(str(m) for m in MEASUREMENTS)
#: Of each measure, what it may be told of, and the most that it can be: ten metres, or as many litres, are no head's,
#: and a mean over numbers without a limit may be none.
MEASURES = {
    "dice": (_TISSUES, 1.0),
    "hd95": (_TISSUES, 1e4),
    "volume": (_TISSUES, 1e4),
    "length": (_LENGTHS, 1e4),
}
#: More problems of one file than these are not listed.
_MOST_SAID = 5


@dataclass(frozen=True)
class Promise:
    """What a team expects of one figure of one case: a value, and the ends of its 90 % interval."""

    measure: str
    target: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CheckedConfidence:
    """A file's usable rows, and one line for each thing that is wrong with another."""

    promises: tuple[Promise, ...]
    problems: tuple[str, ...]


def check_confidence(copy: PrivateCopy, case: str) -> CheckedConfidence:
    """Read a team's file of one case.

    Args:
        copy: of the file.
        case: that its name says.

    Raises:
        RejectedError: the file can't be read as a table, or lacks a column.
    """
    try:
        table = read_table(copy.path)
    except HostError:
        raise
    except FetaError as error:
        raise RejectedError(Reason.INVALID_FILE, str(FetaError(str(copy.name), error.problem, error.remedy))) from error
    names = [plain_name(name) for name in table.header]
    missing = [name for name in CONFIDENCE_COLUMNS if name not in names]
    if missing:
        raise RejectedError(Reason.INVALID_FILE, f"{printable(str(copy.name))}: has no column {', '.join(missing)}")
    double = [name for name in CONFIDENCE_COLUMNS if names.count(name) > 1]
    if double:
        raise RejectedError(Reason.INVALID_FILE, f"{printable(str(copy.name))}: has two columns {', '.join(double)}")
    at = [names.index(name) for name in CONFIDENCE_COLUMNS]
    found: dict[tuple[str, str], Promise] = {}
    problems: list[str] = []
    for number, row in enumerate(table.rows, start=2):
        said = table.misfit(number - 2) or _add([row[i].strip() for i in at], case, found)
        if said:
            problems.append(printable(f"{copy.name}: row {number}: {said}"))
    more = [f"{copy.name}: … and {len(problems) - _MOST_SAID} more rows"] if len(problems) > _MOST_SAID else []
    return CheckedConfidence(tuple(found.values()), (*problems[:_MOST_SAID], *map(printable, more)))


def _add(cells: list[str], case: str, found: dict[tuple[str, str], Promise]) -> str:
    """Add a row's promise; what is wrong with it, "" for nothing."""
    name, measure, target = cells[0], cells[1].lower(), cells[2]
    if case_key(name) != case:
        return f"is of the case {name[:40]!r}, not of {case}"
    if measure not in MEASURES:
        return f"{measure[:40]!r} is no measure (known: {', '.join(MEASURES)})"
    targets, most = MEASURES[measure]
    target = next((known for known in targets if known.lower() == target.lower()), target)
    if target not in targets:
        return f"{measure} of {target[:40]!r} is unknown (known: {', '.join(targets)})"
    if (measure, target) in found:
        return f"{measure} of {target} stands there twice"
    numbers = [parse_number(cell) for cell in cells[3:]]
    if any(n is None or not math.isfinite(n) for n in numbers):
        return f"{measure} of {target}: value, low and high must be numbers"
    value, low, high = (float(n) for n in numbers if n is not None)
    if not 0 <= low <= value <= high or high > most:
        return f"{measure} of {target}: must be 0 <= low <= value <= high <= {most:g}"
    found[measure, target] = Promise(measure, target, value, low, high)
    return ""
