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

from evaluation.harness.case_state import CaseRow, CaseState, Tally, tallied
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


#: Of a run with more cases, teams together, cases are counted: their marks fill no terminal, and take long to read.
_MOST_MARKS = 4000


def seconds_left(own: Sequence[Tally], limits: ResourceLimits, now: float) -> float:
    """Wall clock that a team still needs, by the mean of its finished cases; at most what it may take.

    Args:
        own: of one team.
        now: Unix time.
    """
    finished = [tally for tally in own if tally.state.final and tally.state is not CaseState.OUT_OF_TIME]
    count, used = sum(tally.count for tally in finished), sum(tally.seconds for tally in finished)
    each = used / count if count else limits.case_seconds
    waiting = sum(tally.count for tally in own if not tally.state.final)
    begun = min((tally.begun for tally in own if tally.state is CaseState.RUNNING and tally.begun), default=now)
    return max(0.0, min(each * waiting - (now - begun), limits.team_seconds - used))


def table(tallies: Sequence[Tally], limits: ResourceLimits, rows: Sequence[CaseRow] = ()) -> Group:
    """Teams with what has ended and the time left, and their cases: a mark each.

    Args:
        rows: the cases; without them they are counted by their mark.
    """
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("team", no_wrap=True)
    shown.add_column("cases")
    for heading in ("ended", "well", "left"):
        shown.add_column(heading, justify="right", no_wrap=True)
    now, teams, marks = time.time(), dict[str, list[Tally]](), dict[str, Text]()
    for tally in tallies:
        teams.setdefault(tally.team, []).append(tally)
    for row in rows:
        marks.setdefault(row.team, Text()).append(*MARKS[row.state])
    for team, own in teams.items():
        counts = {tally.state: tally.count for tally in own}
        ended, number = sum(tally.count for tally in own if tally.state.final), sum(counts.values())
        cells = Text(" ").join(Text(f"{counts[s]}{mark}", style) for s, (mark, style) in MARKS.items() if s in counts)
        left = clock(seconds_left(own, limits, now)) if ended < number else ""
        shown.add_row(Text(team), marks.get(team, cells), f"{ended}/{number}", str(counts.get(CaseState.DONE, 0)), left)
    seen = {tally.state for tally in tallies}
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
        tallies = state.tally() if state.path.exists() else []
        return table(tallies, limits, state.rows() if _few(tallies) else ())

    with Live(console=Console(stderr=True), get_renderable=current, refresh_per_second=1):
        yield lambda rows: None


def _few(tallies: Sequence[Tally]) -> bool:
    return sum(tally.count for tally in tallies) <= _MOST_MARKS


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
        tallies = tallied(rows)
        Console(file=file).print(table(tallies, limits, rows if _few(tallies) else ()))
    else:
        for row in rows:
            seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
            file.write(f"{row.team}\t{row.case}\t{row.state}\t{seconds}\n")
    said = ", ".join(f"{counts[state]} {state}" for state in MARKS if counts[state])
    file.write(f"# {said}; the harness is {'at work' if running else 'not running'}\n")
