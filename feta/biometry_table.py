"""Tables of lengths: the submission's, and the truth's."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feta.errors import FetaError
from feta.files import write_atomically
from feta.measurements import MEASUREMENTS, Measurement
from feta.participants import subject_key
from feta.tables import Table, is_absent, parse_number, plain_name, read_table

#: Where the true lengths lie below the truth's root.
_TABLES = ("biometry.tsv", "derivatives/biometry/biometry.tsv")


def read_true_lengths(root: Path) -> tuple[dict[str, list[float]], list[str]]:
    """The true lengths by the first cell of their row, a subject or a case.

    Returns:
        Lengths in mm in the order of MEASUREMENTS, NaN where there is none; and warnings, one line each.
    """
    path = next((root / name for name in _TABLES if (root / name).exists()), None)
    if path is None:
        others = sorted((root / "derivatives" / "biometry").glob("*.tsv"))
        path = others[0] if others else None
    if path is None:
        return {}, [f"{root}: has no biometry.tsv; lengths are not scored"]
    try:
        return read_length_table(path.resolve())
    except FetaError as error:
        return {}, [f"{error}; lengths are not scored"]


def read_length_table(path: Path) -> tuple[dict[str, list[float]], list[str]]:
    """The lengths in a table of several subjects; as ``read_true_lengths``.

    Raises:
        FetaError: the file can't be read, or is empty.
    """
    table = read_table(path)
    columns = {m: _column(table.header, m) for m in MEASUREMENTS}
    warnings = [f"{path.name}: has no column {m}" for m, at in columns.items() if at is None]
    lengths: dict[str, list[float]] = {}
    for number, row in enumerate(table.rows):
        name = subject_key(row[0])
        # Of a row that doesn't fit the header nobody knows which cell is missing, or one too many.
        misfit = table.misfit(number)
        if name in lengths or misfit:
            problem = " is listed twice" if name in lengths else f": {misfit}"
            warnings.append(f"{path.name}: {name}{problem}; its lengths are not scored")
            lengths[name] = [np.nan] * len(MEASUREMENTS)
            continue
        cells = {m: row[at] if at is not None and at < len(row) else "" for m, at in columns.items()}
        lengths[name] = [_true_length(path, name, m, cell, warnings) for m, cell in cells.items()]
    return lengths, warnings


def _column(header: tuple[str, ...], measurement: Measurement) -> int | None:
    """Where a measurement stands, with or without a unit in its name."""
    found = [i for i, name in enumerate(header) if plain_name(name).removesuffix("mm") == measurement.lower()]
    return found[0] if len(found) == 1 else None


def _true_length(path: Path, row: str, measurement: Measurement, cell: str, warnings: list[str]) -> float:
    value, problem = parse_length(cell)
    if problem and not is_absent(cell):
        warnings.append(f"{path.name}: {row}: {measurement} {problem}; it is not scored")
    return np.nan if value is None else value


#: No length of a fetal head comes near it.
MAX_LENGTH_MM = 1000.0


@dataclass(frozen=True)
class Lengths:
    """Lengths in mm, None where missing or invalid; the notes say why, one line each."""

    values: dict[Measurement, float | None]
    notes: tuple[str, ...]


def write_biometry(path: Path, subject: str, lengths: Mapping[Measurement, float]) -> None:
    """Write a case's lengths (mm) as the challenge wants them: tabs in spite of the name, first cell empty.

    A length that is absent, or not finite and positive, gives an empty cell. A ``.tsv`` is written as BIDS wants it:
    each column has a name, and what is absent is n/a. Atomic.

    Raises:
        FetaError: the file can't be written.
    """
    first, absent = ("participant_id", "n/a") if path.suffix == ".tsv" else ("", "")
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow([first, *MEASUREMENTS])
    writer.writerow([" ".join(subject.split()), *(_cell(lengths.get(m, math.nan)) or absent for m in MEASUREMENTS)])
    write_atomically(path, text.getvalue())


def read_biometry(path: Path) -> Lengths:
    """Read one case's lengths from a table with tabs, semicolons or commas; columns by name, in any order.

    Only a finite positive number up to MAX_LENGTH_MM is a length. Anything else is missing, with a note.

    Raises:
        FetaError: the file can't be read, or is empty.
    """
    table = read_table(path)
    if len(table.rows) != 1:
        said = "several rows of lengths" if table.rows else "no row of lengths"
        return Lengths(dict.fromkeys(MEASUREMENTS), (f"{path.name}: {said}",))
    header, row = _aligned(table)
    if any(row[len(header) :]):
        said = f"the row has {len(row)} cells, the header {len(header)} (decimal commas?)"
        return Lengths(dict.fromkeys(MEASUREMENTS), (f"{path.name}: {said}",))
    values: dict[Measurement, float | None] = {}
    notes = [f"{path.name}: the row has {len(row)} cells, the header {len(header)}"] if len(row) < len(header) else []
    for measurement in MEASUREMENTS:
        places = [at for at, name in enumerate(header) if _names(name, measurement)]
        values[measurement], note = _pick(row, places)
        if note:
            notes.append(f"{path.name}: {measurement} {note}")
    return Lengths(values, tuple(notes))


def parse_length(text: str) -> tuple[float | None, str | None]:
    """A length in mm from a cell, and why it is none (None: it is one).

    The cell itself is not quoted: what a submission writes must not reach a public report, it can tell of test data.
    """
    if is_absent(text):
        return None, "is empty"
    value = parse_number(text)
    if value is None:
        return None, "is not a plain number"
    if not value > 0:
        return None, "is not positive"
    if value > MAX_LENGTH_MM:
        return None, f"is beyond {MAX_LENGTH_MM:g} mm"
    return value, None


def _aligned(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Header and row; where the header leaves out the cell above the row's name, as R does, it is put back."""
    header, row = table.header, table.rows[0]
    if len(row) == len(header) + 1 and any(_names(header[0], m) for m in MEASUREMENTS) and parse_number(row[0]) is None:
        header = ("", *header)
    return header, row


def _names(column: str, measurement: Measurement) -> bool:
    """Whether a column's name is the measurement's, in any case, with or without its unit."""
    return re.fullmatch(rf"{measurement}([ _]?[(\[]?mm[)\]]?)?", column, re.IGNORECASE) is not None


def _pick(row: tuple[str, ...], places: list[int]) -> tuple[float | None, str | None]:
    if len(places) != 1:
        return None, "has several columns" if places else "has no column"
    return parse_length(row[places[0]] if places[0] < len(row) else "")


def _cell(length: float) -> str:
    return f"{length:.4f}" if math.isfinite(length) and length > 0 else ""
