"""The leaderboard on a terminal: a table for people, plain lines for a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluation.leaderboard import Board, Cell, Row
from evaluation.results import Results, as_json

SEGMENTATION = {"rank": "rank", "team": "team", "range": "95 % of ranks", "dice": "Dice", "vs": "VS", "hd95": "HD95 mm",
                "ed": "ED", "ed_floor": "ED floor", "penalties": "penalties"}  # fmt: skip
BIOMETRY = {"rank": "rank", "team": "team", "range": "95 % of ranks", "mape": "MAPE %", "LCC": "LCC", "HV": "HV",
            "bBIP": "bBIP", "sBIP": "sBIP", "TCD": "TCD", "penalties": "penalties"}  # fmt: skip
DIGITS = {"dice": 3, "vs": 3, "hd95": 2, "ed": 1, "ed_floor": 1}


def print_leaderboard(
    results: Results, *, format: Literal["table", "json"] = "table", file: IO[str] | None = None
) -> None:
    """Print the cohort's two leaderboards (``table``) or all of results.json (``json``).

    Args:
        file: where to; standard output by default. Where it is no terminal, columns are
            separated by tabs, so that ``cut`` and ``sort`` work on them.
    """
    stream = sys.stdout if file is None else file
    if format == "json":
        json.dump(as_json(results), stream, indent=1, allow_nan=False)
        stream.write("\n")
        return
    for title, columns, boards in (
        (f"Segmentation, scheme {results.scheme}, ED against the {results.euler}", SEGMENTATION, results.segmentation),
        ("Biometry", BIOMETRY, results.biometry),
    ):
        if boards:
            _print(title, columns, boards[0], stream)


def _print(title: str, columns: dict[str, str], board: Board, stream: IO[str]) -> None:
    if not stream.isatty():
        stream.write(f"# {title}, {board.group.size} cases\n")
        stream.writelines("\t".join(cells) + "\n" for cells in [list(columns.values()), *_cells(columns, board.rows)])
        return
    table = Table(title=f"{title}, {board.group.size} cases", title_justify="left")
    for key, heading in columns.items():
        table.add_column(heading, justify="left" if key == "team" else "right", overflow="ellipsis")
    for cells in _cells(columns, board.rows):
        table.add_row(*map(escape, cells))
    Console(file=stream).print(table)


def _cells(columns: dict[str, str], rows: Iterable[Row]) -> Iterable[list[str]]:
    for row in rows:
        yield [_range(row) if key == "range" else _text(key, row.get(key)) for key in columns]


def _range(row: Row) -> str:
    if row.get("rank") is None:
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    return f"{low}" if low == high else f"{low}–{high}"


def _text(key: str, cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.{DIGITS.get(key, 2)}f}"
    # A folder's name can hold control characters; none may reach the terminal.
    return "".join(c if c.isprintable() else "�" for c in str(cell))
