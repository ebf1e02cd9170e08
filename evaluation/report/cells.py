"""Cells and tables of the report as text: how many digits, what a column is sorted by, how dark the ground is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.ranking.leaderboard import Cell
from evaluation.scoring.score_table import HIGHER_IS_BETTER

DIGITS = {"dice": 3, "vs": 3, "hd95": 2, "ed": 1, "ed_floor": 1, "b0": 1, "b1": 1, "b2": 1, "score": 2}
DARKEST = 0.38


@dataclass(frozen=True)
class TableCell:
    """What is shown, what it is sorted by, and how dark its ground is (0–1)."""

    text: str
    sort: str
    shade: float = 0.0


@dataclass(frozen=True)
class ReportTable:
    """A table: ``rows`` compete, ``footer`` rows don't; the first cell of a heat table is the row's name."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    footer: tuple[tuple[TableCell, ...], ...] = ()


def heat_table(
    title: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]], metric: str
) -> ReportTable:
    """Numbers on a ground that is darker the better they are; the numbers alone say everything, too."""
    # By their order, not their size: one penalty would make all others look alike.
    numbers = sorted({value for _, values in rows for value in values if value is not None})
    ordered = numbers if metric in HIGHER_IS_BETTER else numbers[::-1]
    shades = {value: round(DARKEST * i / max(1, len(ordered) - 1), 3) for i, value in enumerate(ordered)}

    def cell(value: float | None) -> TableCell:
        return TableCell("–", "") if value is None else TableCell(_number(metric, value), repr(value), shades[value])

    return ReportTable(
        title, tuple(headings), tuple((text_cell(label), *(cell(value) for value in values)) for label, values in rows)
    )


def p_value(p: float) -> str:
    """A p-value as it is printed, without its leading zero: ``<.001``, ``.021``, ``.34``, ``1``."""
    if p < 0.001:
        return "<.001"
    text = f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
    return "1" if text == "1.00" else text.removeprefix("0")


def text_cell(text: str) -> TableCell:
    """Text, sorted by itself."""
    return TableCell(text, text)


def value_cell(key: str, value: Cell) -> TableCell:
    """A leaderboard's entry, with the digits of its column."""
    if value is None:
        return TableCell("–", "")
    if isinstance(value, float):
        return TableCell(_number(key, value), repr(value))
    return TableCell(str(value), str(value))


def _number(metric: str, value: float) -> str:
    return f"{value:.{0 if metric == 'rank' else DIGITS.get(metric, 2)}f}"
