"""Where a team's case stands in a run, from pending to one of the ways in which it can end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class CaseState(StrEnum):
    """Where a team's case stands. All but the first two are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    NO_RESULT = "no-result"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    OUTPUT_FULL = "output-full"
    OUT_OF_TIME = "out-of-time"
    NOT_STARTED = "not-started"

    @property
    def final(self) -> bool:
        """Whether it is never tried again."""
        return self not in (CaseState.PENDING, CaseState.RUNNING)


#: What each final state means, for the report.
MEANING = {
    CaseState.DONE: "ended by itself, and a label map was written",
    CaseState.NO_RESULT: "ended without an error, and without a label map",
    CaseState.CRASHED: "ended with an error",
    CaseState.TIMED_OUT: "ran longer than a case may, and was ended",
    CaseState.OUT_OF_MEMORY: "needed more memory than the limit",
    CaseState.OUTPUT_FULL: "filled the space for results",
    CaseState.OUT_OF_TIME: "not begun: the team's time was used up",
    CaseState.NOT_STARTED: "the image could not be started, twice, where another could under the same rules",
}


@dataclass(frozen=True)
class CaseRow:
    """A row: a team's case. ``begun`` is a Unix time; seconds are wall clock, a call's shared out to its cases.

    ``memory``: bytes, the most that was seen of its call, in a look a second; None where nobody looked.
    """

    team: str
    case: str
    state: CaseState
    begun: float | None = None
    seconds: float | None = None
    exit_code: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Tally:
    """How many of a team's cases are in one state; their seconds together, and when the first of them was begun."""

    team: str
    state: CaseState
    count: int
    seconds: float
    begun: float | None


def tallied(rows: Iterable[CaseRow]) -> list[Tally]:
    """Rows counted, in the order in which teams and their states come."""
    found: dict[tuple[str, CaseState], list[CaseRow]] = {}
    for row in rows:
        found.setdefault((row.team, row.state), []).append(row)
    return [
        Tally(
            team, state, len(own), sum(row.seconds or 0.0 for row in own),
            min((row.begun for row in own if row.begun is not None), default=None),
        )
        for (team, state), own in found.items()
    ]  # fmt: skip
