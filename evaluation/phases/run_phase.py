"""One phase of a challenge: takes what is new, and runs what is not finished, each submission as a team of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.harness.case_state import CaseRow
from evaluation.harness.context import RunFolders
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.roster import Phase, Roster
from evaluation.harness.run import chosen_teams, run
from evaluation.harness.state import RunState
from evaluation.harness.workers import Machines, OnCasesDone, ThisMachine
from evaluation.phases.admission import Admitted, admit, check_clock, run_again
from evaluation.phases.history import HISTORY, LOCK, Entry, History
from feta.errors import FetaError
from feta.lock import is_held, locked


@dataclass(frozen=True)
class PhaseRun:
    """What a run has done: a line for each submission whose image is gone, and how cases ended."""

    gone: tuple[str, ...]
    rows: tuple[CaseRow, ...]


@dataclass(frozen=True)
class Appeal:
    """A submission to be run again: its team's name, its number (None: the last), by whose word and why."""

    team: str
    number: int | None
    word: str


def phase_named(roster: Roster, name: str | None) -> Phase:
    """The roster's phase of this name.

    Raises:
        FetaError: there is none, or none was named.
    """
    known = ", ".join(phase.name for phase in roster.phases) or "none"
    found = next((phase for phase in roster.phases if phase.name == name), None)
    if found is None:
        problem = f"the roster has no phase {name!r}" if name else "the roster has phases, so that one must be named"
        raise FetaError("--phase", problem, f"it has {known}")
    return found


def take(
    roster: Roster,
    phase: Phase,
    output: Path,
    *,
    only: Sequence[str] = (),
    appeal: Appeal | None = None,
    machines: Callable[[Roster, RunFolders], Machines] = ThisMachine,
) -> Admitted:
    """Put on record what is new. That takes a moment, and can be done while this or another phase is run.

    Args:
        output: of the whole challenge: the history, and a folder for each phase.
        only: the teams to take from; empty for all.
        appeal: what is to be run again; nothing new is taken then.
        machines: whose engines have the images.

    Raises:
        FetaError: the clock is behind the history, there is nothing to run again, or no engine answers.
    """
    teams = chosen_teams(roster, (appeal.team,) if appeal else only, False)
    with locked(output / LOCK), closing(machines(roster, RunFolders(output / phase.name))) as place:
        history, now = History(output / HISTORY), time.time()
        history.create()
        check_clock(history, now)
        history.put_phase(phase, now)
        if appeal:
            known, open_ = _known(output / phase.name)
            added = run_again(
                history, phase, teams[0], appeal.number, appeal.word, now,
                finished=lambda entry: entry.name in known and entry.name not in open_,
            )  # fmt: skip
            return Admitted((added,) if added else ())
        return admit(history, phase, teams, place.image_id, now)


def run_phase(
    roster: Roster,
    phase: Phase,
    input_: Path,
    output: Path,
    on_cases_done: OnCasesDone,
    *,
    machines: Callable[[Roster, RunFolders], Machines] = ThisMachine,
) -> PhaseRun:
    """Run what was taken and is not finished; ``OUTPUT/PHASE/submissions`` is then for ``feta-evaluate score``.

    Args:
        input_: the phase's cases.
        output: as for ``take``.
        machines: where containers are started.

    Raises:
        FetaError: as ``run``; or this phase is run already.
    """
    folder = output / phase.name
    if is_held(folder / LOCK):
        remedy = "what was taken is on record: call the same when that has ended"
        raise FetaError(folder, "another run of this phase is at work", remedy)
    # Held from before the history is read to the end: whoever runs the phase next finds all that was taken meanwhile.
    with locked(folder / LOCK):
        entries = History(output / HISTORY).entries(phase.name)
        if not entries:
            return PhaseRun((), ())
        everyone = replace(roster, teams=tuple(entry.as_team() for entry in entries), phases=())
        with closing(machines(everyone, RunFolders(folder))) as place:
            waiting, gone, runnable = _waiting(place, entries, folder)
        if not waiting:
            return PhaseRun(tuple(gone), ())
        chosen = replace(everyone, teams=tuple(entry.as_team() for entry in runnable))
        rows = run(chosen, input_, folder, on_cases_done, only=waiting, machines=machines)
        return PhaseRun(tuple(gone), tuple(rows))


def _waiting(place: Machines, entries: Sequence[Entry], folder: Path) -> tuple[list[str], list[str], list[Entry]]:
    """Submissions with cases to be run, a line for each whose image is gone, and those that the run is to know of."""
    known, open_ = _known(folder)
    waiting, gone = [], []
    for entry in entries:
        if entry.name in known and entry.name not in open_:
            continue
        try:
            place.image_id(entry.image_id)
            waiting.append(entry.name)
        except GoneError:
            gone.append(f"{entry.name}: its image {entry.image} ({entry.image_id}) is gone; put the very same back")
    return waiting, gone, [entry for entry in entries if entry.name in known or entry.name in waiting]


def _known(folder: Path) -> tuple[set[str], set[str]]:
    """Submissions that a phase's run has begun, by name, and those of them that are not finished."""
    state = RunFolders(folder).state
    rows = RunState(state).rows() if state.exists() else []
    return {row.team for row in rows}, {row.team for row in rows if not row.state.final}
