"""Small delimited tables, as people and their spreadsheets write them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from feta.errors import FetaError
from feta.files import make_writable, read_text

#: Of ``…_confidence.csv``, which the submission writes and the evaluator scores (docs/explanation/verdicts.md).
CONFIDENCE_COLUMNS = ("case", "measure", "target", "value", "low", "high")
#: Plain decimal numbers alone: no units, decimal commas, thousands separators or underscores.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ABSENT = frozenset({"", "n/a", "na", "-"})


@dataclass(frozen=True)
class Table:
    """Cells as text, stripped; blank lines are left out.

    Attributes:
        header: names of the columns.
        rows: one tuple a line, as many cells as stand there.
        lines: number of each row's line in the file.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def misfit(self, row: int) -> str:
        """How a row differs from the header in its number of cells; "" where it doesn't.

        Empty cells at the end count for nothing: editors leave them out, spreadsheets add them.
        """
        cells, columns = self.rows[row], len(self.header)
        filled = max((i + 1 for i, cell in enumerate(cells) if cell), default=0)
        if len(cells) >= columns >= filled:
            return ""
        return f"line {self.lines[row]} has {filled if filled > columns else len(cells)} cells, the header {columns}"


def read_table(path: Path) -> Table:
    """Read a table separated by tabs, semicolons or commas, whichever its first line holds.

    No cell spans lines. Between tabs a quotation mark is a character like any other, as in BIDS; between commas or
    semicolons it may enclose a cell.

    Raises:
        FetaError: the file can't be read, is empty, or is no text.
    """
    text = read_text(path)
    # Not splitlines(): in a comment a form feed or a line separator is no end of a row.
    numbered = [(n, line) for n, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1) if line.strip()]
    if not numbered:
        raise FetaError(path, "is empty")
    if "\0" in numbered[0][1]:  # a spreadsheet's archive, or UTF-16 that doesn't say so
        raise FetaError(path, "is not a table of text", "save it as tab-separated text in UTF-8")
    separator = next((s for s in "\t;," if s in numbered[0][1]), "\t")
    cells = [(n, tuple(cell.strip() for cell in _cells(line, separator))) for n, line in numbered]
    kept = [(n, row) for n, row in cells[1:] if any(row)]
    return Table(cells[0][1], tuple(row for _, row in kept), tuple(n for n, _ in kept))


def _cells(line: str, separator: str) -> list[str]:
    if separator != "\t":
        try:
            return next(csv.reader([line], delimiter=separator, strict=True))
        except csv.Error:  # a stray quotation mark
            pass
    return line.split(separator)


def is_absent(text: str) -> bool:
    """Whether a cell says that there is no value (empty, n/a)."""
    return text.strip().lower() in _ABSENT


def parse_number(text: str) -> float | None:
    """The number that a cell holds and nothing else; None otherwise. May be infinite (1e999)."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def plain_name(column: str) -> str:
    """A column's name without case, spaces, underscores, units in brackets."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[].*", "", column.lower()))


def create_csv(path: Path) -> TextIO:
    """Open a CSV that grows with the work: its folder is made, and what lay there is emptied.

    Raises:
        FetaError: it can't be written.
    """
    make_writable(path.parent)
    try:
        return path.open("w", newline="")
    except (OSError, ValueError) as error:
        said = f"cannot be written ({getattr(error, 'strerror', None) or error})"
        raise FetaError(path, said, "name a CSV file to write") from error
