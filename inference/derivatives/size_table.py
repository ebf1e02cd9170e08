"""``…_volumes.tsv``: one row a volume or length, with its place on the published curves; written, and read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from feta.errors import FetaError
from feta.files import write_atomically
from feta.tables import parse_number, read_table
from inference.morphometry.growth_curve import TRANSCRIBED
from inference.morphometry.measured import Kind, Measured, NormPosition

ABSENT = "n/a"
#: Decimals of ml, of mm, of mm², of 1/mm, and of z and centiles.
DECIMALS = {Kind.VOLUME: 3, Kind.LENGTH: 2, Kind.AREA: 1, Kind.CURVATURE: 4}
Z_DECIMALS, CENTILE_DECIMALS = 2, 1
_OWN = ("measure", "name", "value", "unit", "interval_low", "interval_high", "gestational_age", "centile", "z")
#: Of the curve that counts, and of another source's: no size has more.
NORMS = ("norm", "other_norm")
_OF_A_NORM = ("", "_mean", "_sd", "_z", "_centile")
COLUMNS = (*_OWN, "source", "flag", *(norm + part for norm in NORMS for part in _OF_A_NORM), "age_estimated")


@dataclass(frozen=True)
class SizeTable:
    """What a table holds.

    Attributes:
        sizes: as they were measured, rounded, without lines.
        age: weeks, as it was given; None where unknown.
        estimated: weeks that the image shows, for which centiles are where no age was given; None otherwise.
    """

    sizes: tuple[Measured, ...]
    age: float | None
    estimated: float | None = None


def write_sizes(path: Path, sizes: Iterable[Measured], age: float | None, estimated: float | None = None) -> None:
    """Write the table of a case. Atomic.

    Args:
        path: ``.tsv``.
        sizes: volumes and lengths with their norms.
        age: weeks, as it was given; None where unknown.
        estimated: weeks for which centiles are in its place; None where there are none.

    Raises:
        FetaError: it can't be written.
    """
    rows = [COLUMNS, *([*_row(size, age), ABSENT if estimated is None else f"{estimated:.1f}"] for size in sizes)]
    write_atomically(path, "".join("\t".join(row) + "\n" for row in rows))


def read_sizes(path: Path) -> SizeTable:
    """Read a table that ``write_sizes`` wrote.

    Raises:
        FetaError: it can't be read, or is no such table.
    """
    table = read_table(path)
    if table.header != COLUMNS or any(len(row) != len(COLUMNS) for row in table.rows):
        raise FetaError(path, "is not a table of volumes and lengths as feta-infer writes it", "run feta-infer again")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table.rows]
    ages, estimated = ({parse_number(row[name]) for row in rows} for name in ("gestational_age", "age_estimated"))
    sizes = tuple(_measured(row) for row in rows)
    return SizeTable(sizes, *(each.pop() if len(each) == 1 else None for each in (ages, estimated)))


def number(value: float | None, decimals: int) -> str:
    """A number as a cell; ``n/a`` where there is none, as BIDS has it."""
    return ABSENT if value is None else f"{value:.{decimals}f}"


def text(words: str) -> str:
    """Words as a cell: no tabs, no line ends, odd bytes of file names as escapes, and ``n/a`` for none."""
    return " ".join(words.encode(errors="backslashreplace").decode().split()) or ABSENT


def _row(size: Measured, age: float | None) -> list[str]:
    digits = DECIMALS[size.kind]
    cells = [size.key, text(size.title), number(size.value, digits), size.unit]
    cells += [number(size.low, digits), number(size.high, digits), ABSENT if age is None else f"{age:g}"]
    cells += [number(size.centile, CENTILE_DECIMALS), number(size.z, Z_DECIMALS), text(size.source), text(size.flag)]
    for i in range(len(NORMS)):
        cells += _norm(size.norms[i], digits) if i < len(size.norms) else [ABSENT] * len(_OF_A_NORM)
    return cells


def _norm(norm: NormPosition, digits: int) -> list[str]:
    centile = number(norm.centile, CENTILE_DECIMALS)
    return [
        text(f"{norm.source}; {TRANSCRIBED}"),
        number(norm.mean, digits),
        number(norm.sd, digits),
        number(norm.z, Z_DECIMALS),
        centile,
    ]


def _measured(row: dict[str, str]) -> Measured:
    kind = Kind.of_unit(row["unit"])
    value, low, high, z, centile = (
        parse_number(row[name]) for name in ("value", "interval_low", "interval_high", "z", "centile")
    )
    norms = tuple(_position(row, norm) for norm in NORMS if row[norm] != ABSENT)
    source, flag = ("" if row[name] == ABSENT else row[name] for name in ("source", "flag"))
    return Measured(row["measure"], row["name"], kind, value, low, high, source, norms, z, centile, flag)


def _position(row: dict[str, str], norm: str) -> NormPosition:
    mean, sd, z, centile = (parse_number(row[norm + part]) or 0.0 for part in _OF_A_NORM[1:])
    return NormPosition(row[norm].removesuffix(f"; {TRANSCRIBED}"), mean, sd, z, centile)
