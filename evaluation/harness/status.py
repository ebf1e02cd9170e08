"""A run as people see it: teams × cases on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.roster import ResourceLimits
from evaluation.harness.state import RunState

#: A letter and a colour for each state: the letter alone says everything.
MARKS = {
    CaseState.PENDING: ("·", "dim"),
    CaseState.RUNNING: ("▶", "bold cyan"),
    CaseState.DONE: ("✓", "green"),
    CaseState.NO_RESULT: ("0", "yellow"),
    CaseState.CRASHED: ("X", "red"),
    CaseState.TIMED_OUT: ("T", "red"),
    CaseState.OUT_OF_MEMORY: ("M", "red"),
    CaseState.OUTPUT_FULL: ("F", "red"),
    CaseState.OUT_OF_TIME: ("t", "yellow"),
    CaseState.NOT_STARTED: ("!", "red"),
}


def team_rows(rows: Sequence[CaseRow]) -> dict[str, list[CaseRow]]:
    """Team → its cases, in their order."""
    teams: dict[str, list[CaseRow]] = {}
    for row in rows:
        teams.setdefault(row.team, []).append(row)
    return teams


def seconds_left(rows: Sequence[CaseRow], limits: ResourceLimits, now: float) -> float:
    """Wall clock that a team still needs, by the mean of its finished cases; at most what it may take.

    Args:
        rows: of one team.
        now: Unix time.
    """
    finished = [row.seconds or 0.0 for row in rows if row.state.final and row.state is not CaseState.OUT_OF_TIME]
    each = sum(finished) / len(finished) if finished else limits.case_seconds
    waiting = sum(not row.state.final for row in rows)
    begun = min((row.begun for row in rows if row.state is CaseState.RUNNING and row.begun), default=now)
    return max(0.0, min(each * waiting - (now - begun), limits.team_seconds - sum(finished)))


def table(rows: Sequence[CaseRow], limits: ResourceLimits) -> Group:
    """Teams × cases with their marks, what has ended, and the time left."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("team", no_wrap=True)
    shown.add_column("cases")
    for heading in ("ended", "well", "left"):
        shown.add_column(heading, justify="right", no_wrap=True)
    now = time.time()
    for team, own in team_rows(rows).items():
        marks = Text()
        for row in own:
            marks.append(*MARKS[row.state])
        ended, well = sum(r.state.final for r in own), sum(r.state is CaseState.DONE for r in own)
        left = clock(seconds_left(own, limits, now)) if ended < len(own) else ""
        shown.add_row(Text(team), marks, f"{ended}/{len(own)}", str(well), left)
    seen = {row.state for row in rows}
    legend = "  ".join(f"{mark} {state}" for state, (mark, _) in MARKS.items() if state in seen)
    return Group(shown, Text(legend, style="dim"))


def clock(seconds: float) -> str:
    """``1:02:03``, ``2:03``; a dash where there is no end to it."""
    if seconds > 1e8:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def line(row: CaseRow) -> str:
    """A case that has ended, for a log."""
    took = f" after {row.seconds:.1f} s" if row.seconds else ""
    status = f", exit status {row.exit_code}" if row.exit_code else ""
    return f"{row.team}: {row.case}: {row.state}{took}{status}"


@contextmanager
def shown_live(state: RunState, limits: ResourceLimits) -> Iterator[Callable[[Sequence[CaseRow]], None]]:
    """A table on the error stream that follows the state, or a line for each case where it is no terminal."""
    if not sys.stderr.isatty():
        yield lambda rows: print("\n".join(map(line, rows)), file=sys.stderr, flush=True)
        return

    def current() -> Group:
        return table(state.rows() if state.path.exists() else [], limits)

    with Live(console=Console(stderr=True), get_renderable=current, refresh_per_second=1):
        yield lambda rows: None


def print_status(
    rows: Sequence[CaseRow], limits: ResourceLimits, *, running: bool, as_json: bool, file: IO[str]
) -> None:
    """How far a run is: a table on a terminal, tabs elsewhere, or JSON.

    What a killed harness left as running is pending: it is done again.
    """
    if not running:
        rows = [replace(row, state=CaseState.PENDING) if row.state is CaseState.RUNNING else row for row in rows]
    if as_json:
        json.dump({"running": running, "cases": [asdict(row) for row in rows]}, file, indent=1)
        file.write("\n")
        return
    counts = Counter(row.state for row in rows)
    if file.isatty():
        Console(file=file).print(table(rows, limits))
    else:
        for row in rows:
            seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
            file.write(f"{row.team}\t{row.case}\t{row.state}\t{seconds}\n")
    said = ", ".join(f"{counts[state]} {state}" for state in MARKS if counts[state])
    file.write(f"# {said}; the harness is {'at work' if running else 'not running'}\n")
