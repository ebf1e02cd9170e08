"""A team's five lengths of one case, read and checked (their errors: ``evaluation.metrics.length_error``)."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.submissions.intake import PrivateCopy, RejectedError
from evaluation.submissions.reasons import Reason
from feta.biometry_table import _column, read_biometry
from feta.errors import FetaError, HostError, printable
from feta.files import read_text
from feta.measurements import MEASUREMENTS, Measurement
from feta.tables import read_table

#: A file of five lengths takes a few hundred bytes: a larger one than this isn't read.
LARGEST_TABLE = 1 << 20


@dataclass(frozen=True)
class CheckedLengths:
    """A team's lengths of one case.

    Attributes:
        lengths: (5,) mm, NaN where there is none.
        reasons: (5,) codes, "" for a length.
        problems: one line for each thing that costs a length.
        messages: one line for what is accepted with a remark.
    """

    lengths: npt.NDArray[np.float64]
    reasons: tuple[str, ...]
    problems: tuple[str, ...]
    messages: tuple[str, ...]


def check_lengths(copy: PrivateCopy) -> CheckedLengths:
    """Read a team's lengths of one case.

    Raises:
        RejectedError: the file can't be read as a table.
    """
    try:
        read = read_biometry(copy.path)
        form = _form(copy.path)
    except HostError:
        raise
    except FetaError as error:
        raise RejectedError(Reason.INVALID_FILE, str(FetaError(str(copy.name), error.problem, error.remedy))) from error
    problems = tuple(printable(note.replace(copy.path.name, str(copy.name), 1)) for note in read.notes)
    values = [read.values[m] for m in MEASUREMENTS]
    return CheckedLengths(
        lengths=np.array([np.nan if v is None else v for v in values], dtype=np.float64),
        reasons=tuple("" if v is not None else _why(m, problems) for m, v in zip(MEASUREMENTS, values, strict=True)),
        problems=problems,
        messages=(printable(f"{copy.name}: {', '.join(form)}; accepted"),) if form else (),
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


def _why(measurement: Measurement, problems: Sequence[str]) -> Reason:
    """Whether a length is absent or can't be used."""
    own = [line for line in problems if f": {measurement} " in line]
    absent = own and own[0].endswith((" is empty", " has no column"))
    return Reason.MISSING_LENGTH if absent else Reason.INVALID_LENGTH
