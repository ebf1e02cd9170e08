"""Small delimited tables, as people and their spreadsheets write them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from feta.errors import FetaError
from feta.files import read_text

#: Plain decimal numbers alone: no units, decimal commas, thousands separators or underscores.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ABSENT = frozenset({"", "n/a", "na", "-"})


@dataclass(frozen=True)
class Table:
    """Cells as text, stripped; blank lines are left out."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_table(path: Path) -> Table:
    """Read a table separated by tabs, semicolons or commas, whichever its first line holds.

    Raises:
        FetaError: the file can't be read, or is empty.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise FetaError(path, "is empty")
    separator = next((s for s in "\t;," if s in lines[0]), "\t")
    try:
        cells = [tuple(cell.strip() for cell in row) for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise FetaError(path, f"is not a table ({error})") from error
    return Table(cells[0], tuple(row for row in cells[1:] if any(row)))


def is_absent(text: str) -> bool:
    """Whether a cell says that there is no value (empty, n/a)."""
    return text.strip().lower() in _ABSENT


def parse_number(text: str) -> float | None:
    """The number that a cell holds and nothing else; None otherwise. May be infinite (1e999)."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def plain_name(column: str) -> str:
    """A column's name without case, spaces, underscores, units in brackets."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[].*", "", column.lower()))
