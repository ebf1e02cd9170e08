"""Published tables about lengths: the ends that experts set on atlases, and percentiles of a cohort against age."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.measurements import MEASUREMENTS, Measurement
from feta.tables import Table, parse_number, read_table
from inference.biometry.line import Line

_POINTS = ("subject", "measure", "x1", "y1", "z1", "x2", "y2", "z2")
_PERCENTILES = ("measure", "ga_weeks", "p5_mm", "p50_mm", "p95_mm")


def read_points(path: Path) -> dict[str, dict[Measurement, Line]]:
    """Both ends of each length that experts set, by subject, in physical LPS mm.

    Args:
        path: table with the columns ``subject``, ``measure``, ``x1`` … ``z2``, in RAS mm of the image.

    Raises:
        FetaError: it can't be read, lacks a column, or a line of it can't be used.
    """
    table = read_table(path)
    columns = _columns(path, table, _POINTS)
    found: dict[str, dict[Measurement, Line]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        subject, measure, *numbers = (row[i] if i < len(row) else "" for i in columns)
        x1, y1, z1, x2, y2, z2 = _numbers(path, line, numbers)
        # From RAS to LPS.
        found.setdefault(subject, {})[_measurement(path, line, measure)] = Line((-x1, -y1, z1), (-x2, -y2, z2))
    return found


def read_percentiles(path: Path) -> dict[Measurement, npt.NDArray[np.float64]]:
    """Week, 5th, 50th and 95th percentile (mm) of each length, (n, 4).

    Raises:
        FetaError: it can't be read, lacks a column, or a line of it can't be used.
    """
    table = read_table(path)
    columns = _columns(path, table, _PERCENTILES)
    rows: dict[Measurement, list[list[float]]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        measure, *numbers = (row[i] if i < len(row) else "" for i in columns)
        rows.setdefault(_measurement(path, line, measure), []).append(_numbers(path, line, numbers))
    return {m: np.array(found) for m, found in rows.items()}


def _columns(path: Path, table: Table, names: tuple[str, ...]) -> list[int]:
    for name in names:
        if name not in table.header:
            raise FetaError(path, f"has no column '{name}'", f"its header must name {', '.join(names)}")
    return [table.header.index(name) for name in names]


def _numbers(path: Path, line: int, cells: list[str]) -> list[float]:
    numbers = [parse_number(cell) for cell in cells]
    for cell, number in zip(cells, numbers, strict=True):
        if number is None or not np.isfinite(number):
            raise FetaError(path, f"line {line} holds '{cell}' where a number belongs", "correct the line")
    return [float(number) for number in numbers if number is not None]


def _measurement(path: Path, line: int, name: str) -> Measurement:
    try:
        return Measurement(name)
    except ValueError as error:
        known = ", ".join(MEASUREMENTS)
        raise FetaError(path, f"line {line} measures '{name}'", f"known are {known}") from error
