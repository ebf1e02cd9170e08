"""How a container ended: what that means for each of its cases, and the log that the organizer gets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.context import RunContext, log_path
from evaluation.harness.conventions import Call, ContainerJob, case_id
from evaluation.harness.engine import Ended
from feta.cases import Case
from feta.files import write_atomically

_UNPRINTABLE = re.compile(r"[^\n\t\x20-\x7e\u00a0-\u2027\u2030-\u2065\u206a-\ud7ff\ue000-\U0010ffff]")


@dataclass
class ContainerOutcome:
    """What is known of a container up to now.

    Attributes:
        ended: None where it never started.
        limited: it was ended by us when its time was up.
        lost: the engine refused what was asked of it afterwards, for its results say.
        full: it used up the space for results.
        memory: bytes, the most that was seen.
        mapped: ids of cases with a label map.
        messages: in our own words, or with names of files: for the organizer's log.
        printed: the container's own words, likewise.
    """

    ended: Ended | None = None
    limited: bool = False
    lost: bool = False
    full: bool = False
    memory: int = 0
    mapped: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    printed: bytes = b""

    @property
    def doubtful(self) -> bool:
        """Whether something else than the submission may be the reason: it never started, or neither its limits nor
        we ended what a signal has ended, or its results could not be had."""
        if self.ended is None or self.lost:
            return True
        return self.ended.killed and not self.limited and not self.ended.out_of_memory


def case_row(job: ContainerJob, case: Case, outcome: ContainerOutcome) -> CaseRow:
    """How one case of a job ended; wall clock is shared out evenly to the cases."""
    state = case_state(
        outcome.ended, outcome.limited, outcome.full, case_id(case) in outcome.mapped, len(job.cases) == 1
    )
    seconds = outcome.ended.seconds / len(job.cases) if outcome.ended else 0.0
    code = outcome.ended.exit_code if outcome.ended else None
    return CaseRow(job.team.name, case_id(case), state, seconds=seconds, exit_code=code, memory=outcome.memory or None)


def case_state(ended: Ended | None, limited: bool, full: bool, mapped: bool, alone: bool) -> CaseState:
    """How a case ended.

    Args:
        ended: how its container ended; None where it never started.
        limited: its time was up.
        full: the space for results was used up.
        mapped: there is a label map of the case. It counts however the container ended; in a call for all cases
            that ended by itself it is all that matters.
        alone: the container was for this case alone.
    """
    if ended is None:
        return CaseState.NOT_STARTED
    by_itself = not (limited or ended.killed)
    if mapped and by_itself and (not alone or not (full or ended.exit_code)):
        return CaseState.DONE
    if limited:
        return CaseState.TIMED_OUT
    if ended.out_of_memory:
        return CaseState.OUT_OF_MEMORY
    if full:
        return CaseState.OUTPUT_FULL
    return CaseState.CRASHED if ended.exit_code else CaseState.NO_RESULT


def write_log(
    context: RunContext, job: ContainerJob, call: Call, outcome: ContainerOutcome, state: CaseState | None
) -> None:
    """What the organizer may want to know; never a part of the report, since it can hold test data."""
    kept = outcome.printed[-context.limits.log_kb * 1024 :]
    how = outcome.ended
    ended = f"exit status {how.exit_code} after {how.seconds:.1f} s" if how else "not started"
    result = str(state) if state else f"label maps of {len(outcome.mapped)} of {len(job.cases)} cases"
    lines = [
        f"team: {job.team.name}",
        f"case: {job.label}",
        f"image: {job.team.image} ({context.images[job.team.name]})",
        f"command: {json.dumps(call.command)} {json.dumps(call.environment)}",
        f"exceptions: {', '.join(job.team.exceptions.named()) or 'none'}",
        f"ended: {ended}, {result}",
        *(f"note: {line}" for line in outcome.messages),
        f"--- what it printed, the last {context.limits.log_kb} KB at most ---",
    ]
    text = "\n".join([*map(_plain, lines), _plain(kept.decode("utf-8", "replace"))])
    write_atomically(log_path(context.folders, job), text.rstrip("\n") + "\n")


def _plain(text: str) -> str:
    """Text without what would move a terminal's cursor."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
