"""The five lengths: the true ones, a team's, and the error of one against the other.

A length's error is 100 · |predicted − true| / true, in percent; MAPE is its mean
over all (case, length) pairs whose truth exists.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.scoring.policy import INVALID_LENGTH, MISSING_LENGTH
from evaluation.submissions.intake import INVALID_FILE, PrivateCopy, RejectedError, printable
from feta.errors import FetaError
from feta.files import read_text
from feta.measurements import MEASUREMENTS, Measurement
from feta.participants import subject_key
from feta.predictions import parse_length, read_biometry
from feta.tables import is_absent, plain_name, read_table

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
    for row in table.rows:
        name = subject_key(row[0])
        if name in lengths:
            warnings.append(f"{path.name}: {name} is listed twice; its lengths are not scored")
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


@dataclass(frozen=True)
class CheckedLengths:
    """A team's lengths of one case.

    Attributes:
        lengths: (5,) mm, NaN where there is none.
        reasons: (5,) codes, "" for a length.
        problems: one line for each thing that costs a length.
        remarks: one line for what is accepted with a remark.
    """

    lengths: npt.NDArray[np.float64]
    reasons: tuple[str, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def check_lengths(copy: PrivateCopy) -> CheckedLengths:
    """Read a team's lengths of one case.

    Raises:
        RejectedError: the file can't be read as a table.
    """
    try:
        read = read_biometry(copy.path)
        form = _form(copy.path)
    except FetaError as error:
        raise RejectedError(INVALID_FILE, str(FetaError(str(copy.name), error.problem, error.remedy))) from error
    problems = tuple(printable(note.replace(copy.path.name, str(copy.name), 1)) for note in read.notes)
    values = [read.values[m] for m in MEASUREMENTS]
    return CheckedLengths(
        lengths=np.array([np.nan if v is None else v for v in values], dtype=np.float64),
        reasons=tuple("" if v is not None else _why(m, problems) for m, v in zip(MEASUREMENTS, values, strict=True)),
        problems=problems,
        remarks=(printable(f"{copy.name}: {', '.join(form)}; accepted"),) if form else (),
    )


def _form(path: Path) -> list[str]:
    """In what a table differs from the challenge's form: tabs, no byte-order mark, columns in the usual order."""
    said = []
    first = next((line for line in read_text(path).splitlines() if line.strip()), "")
    if "\t" not in first:
        said += [f"separated by {name}" for mark, name in ((";", "semicolons"), (",", "commas")) if mark in first][:1]
    if path.read_bytes()[:3].startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        said.append("begins with a byte-order mark")
    header = read_table(path).header
    places = [at for at in (_column(header, m) for m in MEASUREMENTS) if at is not None]
    if places != sorted(places):
        said.append("columns in another order")
    return said


def _why(measurement: Measurement, problems: Sequence[str]) -> str:
    """Whether a length is absent or can't be used."""
    own = [line for line in problems if f": {measurement} " in line]
    absent = own and own[0].endswith((" is empty", " has no column"))
    return MISSING_LENGTH if absent else INVALID_LENGTH


def length_errors(lengths: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Errors (T, C, 5) in percent of lengths (T, C, 5) against the truth (C, 5); NaN where either is missing."""
    return 100 * np.abs(lengths - truth) / truth
