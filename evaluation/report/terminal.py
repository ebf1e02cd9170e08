"""The leaderboard on a terminal: a table for people, plain lines for a pipe, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluation.choices import Format
from evaluation.ranking.leaderboard import Cell, LeaderboardGroup, Row
from evaluation.ranking.results import Results, as_json

SEGMENTATION = {"rank": "rank", "team": "team", "range": "95 %", "dice": "Dice", "vs": "VS", "hd95": "HD95",
                "ed": "ED", "ed_floor": "floor", "penalties": "penalties"}  # fmt: skip
BIOMETRY = {"rank": "rank", "team": "team", "range": "95 %", "mape": "MAPE %", "LCC": "LCC", "HV": "HV",
            "bBIP": "bBIP", "sBIP": "sBIP", "TCD": "TCD", "penalties": "penalties"}  # fmt: skip
SHORTEST_NAME = 12
#: Columns that the numbers need: a long name gives way, never a number.
NUMBERS = 64
DIGITS = {"dice": 3, "vs": 3, "hd95": 2, "ed": 1, "ed_floor": 1}


def print_leaderboard(results: Results, *, format: Format = "table", file: IO[str] | None = None) -> None:
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
    for title, columns, leaderboards in (
        (f"Segmentation, scheme {results.scheme}, ED against the {results.euler}", SEGMENTATION, results.segmentation),
        ("Biometry", BIOMETRY, results.biometry),
    ):
        if leaderboards:
            _print(title, columns, leaderboards[0], stream)
            if not leaderboards[0].stability.told:
                stream.write("# 95 %: can't be told, since no site has two cases that samples could differ in\n")


def _print(title: str, columns: dict[str, str], leaderboard: LeaderboardGroup, stream: IO[str]) -> None:
    if not stream.isatty():
        stream.write(f"# {title}, {leaderboard.group.size} cases\n")
        stream.writelines(
            "\t".join(cells) + "\n" for cells in [list(columns.values()), *_cells(columns, leaderboard.rows)]
        )
        return
    console = Console(file=stream)
    longest = max(SHORTEST_NAME, console.width - NUMBERS)
    table = Table(
        title=f"{title}, {leaderboard.group.size} cases", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for key, heading in columns.items():
        if key == "team":  # long enough to tell teams apart, whatever the terminal's width
            table.add_column(heading, min_width=SHORTEST_NAME, max_width=longest, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for cells in _cells(columns, leaderboard.rows):
        table.add_row(*map(escape, cells))
    console.print(table)


def _cells(columns: dict[str, str], rows: Iterable[Row]) -> Iterable[list[str]]:
    for row in rows:
        yield [_range(row) if key == "range" else _text(key, row.get(key)) for key in columns]


def _range(row: Row) -> str:
    if row.get("rank") is None:
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    if low is None:
        return "?"
    return f"{low}" if low == high else f"{low}–{high}"


def _text(key: str, cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.{DIGITS.get(key, 2)}f}"
    # A folder's name can hold control characters; none may reach the terminal.
    return "".join(c if c.isprintable() else "�" for c in str(cell))
