"""An organizer's day: every team's container on every hidden case, to an end whatever they do or interrupts it."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.container_spec import MB, account
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders
from evaluation.harness.conventions import case_id
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.engine_offers import EngineOffers, check_isolation
from evaluation.harness.record import Place, write_record
from evaluation.harness.roster import Roster, Team
from evaluation.harness.staging import cases_to_run, identity, stage
from evaluation.harness.state import RunState
from evaluation.harness.workers import Machines, OnCasesDone, ThisMachine
from feta.cases import Case
from feta.errors import FetaError, HostError
from feta.lock import locked

_LOG = logging.getLogger(__name__)


def run(
    roster: Roster,
    input_: Path,
    output: Path,
    on_cases_done: OnCasesDone,
    *,
    only: Sequence[str] = (),
    again: bool = False,
    machines: Callable[[Roster, RunFolders], Machines] = ThisMachine,
) -> list[CaseRow]:
    """Run what is not finished of a roster; ``OUTPUT/submissions`` is then for ``feta-evaluate score``.

    Args:
        input_: a BIDS tree or a flat folder of volumes with participants.tsv. Nothing else of it is shown to a team.
        output: state, logs and submissions; a run that was killed continues there.
        on_cases_done: told of each job's cases when they have ended, in the thread that ran them.
        only: the teams to run, and no others; empty for all.
        again: what these teams have finished is forgotten first, after a fault of this machine's say.
        machines: where containers are started.

    Returns:
        How the cases of these teams ended.

    Raises:
        FetaError: roster, input, output or engine can't be used; or another harness is at work there.
        KeyboardInterrupt: interrupted; containers are gone, and the next run continues.
    """
    cases, teams = cases_to_run(input_, roster), chosen_teams(roster, only, again)
    folders = RunFolders(output)
    with locked(folders.lock), closing(machines(roster, folders)) as place:
        images = _images(place, roster, folders, {team.name for team in teams}, again)
        state = _open_state(folders, roster, images, cases)
        context = _context(place, roster, folders, state, images, cases)
        left = place.remove_labelled(f"{RUN_LABEL}={context.run_id}")
        if left:
            _LOG.warning("%d containers of the run before were ended; their cases are done again", left)
        state.forget_running()
        if again:
            state.forget_teams([team.name for team in teams])
        shutil.rmtree(folders.unpacked, ignore_errors=True)
        if any(not row.state.final for row in _rows_of(state, teams)):
            stage(cases, folders.staged)
            note_engines(place.way, place.engines(), state)
            place.run_teams(roster, teams, context, state, on_cases_done)
            check_some_started(state, folders)
        write_record(folders.submissions, roster, state)
        shutil.rmtree(folders.staged.parent, ignore_errors=True)
        return _rows_of(state, teams)


def chosen_teams(roster: Roster, only: Sequence[str], again: bool) -> tuple[Team, ...]:
    """The teams that a call is for.

    Raises:
        FetaError: the roster has no such team, or everything would be done again.
    """
    known = [team.name for team in roster.teams]
    for name in only:
        if name not in known:
            raise FetaError("--team", f"the roster has no team {name!r}", f"it has {', '.join(known)}")
    if again and not only:
        raise FetaError("--again", "would forget every team's results", "name those to run again: --team NAME")
    return tuple(team for team in roster.teams if not only or team.name in only)


def _rows_of(state: RunState, teams: Sequence[Team]) -> list[CaseRow]:
    names = {team.name for team in teams}
    return [row for row in state.rows() if row.team in names]


def note_engines(way: str, engines: Sequence[tuple[str, EngineOffers]], state: RunState) -> None:
    """Put on record where containers are started, for the report's table of walls.

    Args:
        way: how jobs come there.
        engines: each machine's name, and what its engine has.
    """
    places = [{**asdict(Place(o.engine, way=way)), "lacks": [str(wall) for wall in o.lacks]} for _, o in engines]
    state.note_places(places)


def warn_of_walls(engines: Sequence[tuple[str, EngineOffers]]) -> None:
    """A line for each machine whose engine lacks a wall that the roster doesn't promise."""
    for machine, offers in engines:
        if offers.lacks:
            said = "%s: %s has no wall %s: the roster doesn't promise it, and the report says so"
            _LOG.warning(said, machine, offers.engine, ", ".join(offers.lacks))


def _context(
    place: Machines,
    roster: Roster,
    folders: RunFolders,
    state: RunState,
    images: dict[str, str],
    cases: tuple[Case, ...],
) -> RunContext:
    engines = place.engines()
    for machine, offers in engines:
        check_isolation(machine, offers, roster.isolation)
    warn_of_walls(engines)
    # The same for all, wherever they run.
    machine, fewest = min(((machine, offers.cpus) for machine, offers in engines), key=itemgetter(1))
    limits = replace(roster.limits, cpus=min(roster.limits.cpus, fewest))
    if limits.cpus < roster.limits.cpus:
        said = "%s: has %g processors: every container gets that many, not %g"
        _LOG.warning(said, machine, fewest, roster.limits.cpus)
    for machine, offers in engines:
        at_once = place.at_once(roster, machine)
        if at_once * limits.memory_mb * MB > offers.memory:
            said = "%s: %d containers may use %d MB each, it has %d MB: one may end as out-of-memory by another's doing"
            said += "; lower memory_mb, or have fewer at the same time"
            _LOG.warning(said, machine, at_once, limits.memory_mb, offers.memory / MB)
    # By the state, which keeps teams in the order in which they came: a team has the same account in every call.
    accounts = {entry["team"]: account(place) for place, entry in enumerate(state.teams())}
    helper = place.image_id(roster.helper_image)
    return RunContext(state.fact("run"), folders, limits, images, helper, cases, accounts, engines[0][1])


def _images(place: Machines, roster: Roster, folders: RunFolders, chosen: set[str], again: bool) -> dict[str, str]:
    """Team → local id of its image; a team that this call starts no container of needs none any more."""
    done: dict[str, str] = {}
    if folders.state.exists():
        state = RunState(folders.state)
        waiting = chosen if again else {row.team for row in state.rows() if not row.state.final} & chosen
        done = {entry["team"]: entry["image_id"] for entry in state.teams() if entry["team"] not in waiting}
    images = {}
    for team in roster.teams:
        try:
            images[team.name] = place.image_id(team.image)
        except GoneError:
            if team.name not in done:
                raise
            images[team.name] = done[team.name]
    return images


def _open_state(folders: RunFolders, roster: Roster, images: dict[str, str], cases: Sequence[Case]) -> RunState:
    state, ids, about = RunState(folders.state), [case_id(case) for case in cases], identity(cases)
    if not folders.state.exists():
        folders.submissions.mkdir(exist_ok=True)
        if any(folders.submissions.iterdir()):
            raise FetaError(folders.submissions, "holds files of no run", "use an empty output folder")
    state.create(uuid.uuid4().hex, roster, images, ids, about)
    state.check(roster, images, ids, about)
    for team in roster.teams:
        # A team that never started takes part all the same: it is ranked by its penalties.
        (folders.submissions / team.name).mkdir(exist_ok=True)
    for folder in (folders.logs, folders.staged.parent):
        folder.mkdir(exist_ok=True)
        # What containers printed, and the input under any account's eyes: for the organizer alone.
        folder.chmod(0o700)
    return state


def check_some_started(state: RunState, folders: RunFolders) -> None:
    """Where not one container of any team could be started, that is no team's fault: nothing of it is final.

    Raises:
        HostError: so it is.
    """
    rows = state.rows()
    if rows and all(row.state is CaseState.NOT_STARTED for row in rows):
        state.forget_not_started()
        remedy = f"see {folders.logs}, mend the engine, and call the same again"
        raise HostError("the engine", "could start no container of any team, so that nothing is final", remedy)
