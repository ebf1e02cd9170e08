"""An organizer's day: every team's container on every hidden case, to an end whatever they do or interrupts it."""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.container_spec import helper_arguments
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders
from evaluation.harness.conventions import case_id
from evaluation.harness.engine import Engine, GoneError, RefusedError
from evaluation.harness.record import write_record
from evaluation.harness.roster import Roster
from evaluation.harness.staging import cases_to_run, identity, stage
from evaluation.harness.state import RunState
from evaluation.harness.workers import OnCasesDone, run_teams
from feta.cases import Case
from feta.errors import FetaError, HostError
from feta.lock import locked

_LOG = logging.getLogger(__name__)


def run(roster: Roster, input_: Path, output: Path, on_cases_done: OnCasesDone) -> list[CaseRow]:
    """Run what is not finished of a roster; ``OUTPUT/submissions`` is then for ``feta-evaluate score``.

    Args:
        input_: a BIDS tree or a flat folder of volumes with participants.tsv. Nothing else of it is shown to a team.
        output: state, logs and submissions; a run that was killed continues there.
        on_cases_done: told of each job's cases when they have ended, in the thread that ran them.

    Returns:
        How every team's cases ended.

    Raises:
        FetaError: roster, input, output or engine can't be used; or another harness is at work there.
        KeyboardInterrupt: interrupted; containers are gone, and the next run continues.
    """
    cases = cases_to_run(input_, roster)
    folders = RunFolders(output)
    with locked(folders.lock), closing(Engine()) as engine:
        images = _images(engine, roster, folders)
        state = _open_state(folders, roster, images, cases)
        limits = replace(roster.limits, cpus=min(roster.limits.cpus, engine.cpus()))
        helper = engine.image_id(roster.helper_image)
        context = RunContext(state.fact("run"), folders, limits, images, helper, cases)
        left = engine.remove_labelled(f"{RUN_LABEL}={context.run_id}")
        if left:
            _LOG.warning("%d containers of the run before were ended; their cases are done again", left)
        state.forget_running()
        shutil.rmtree(folders.unpacked, ignore_errors=True)
        if any(not row.state.final for row in state.rows()):
            stage(cases, folders.staged)
            gpus = _usable_gpus(engine, roster, helper, context.run_id)
            run_teams(roster, context, state, gpus, engine, on_cases_done)
            check_some_started(state, folders)
        write_record(folders.submissions, roster, state)
        shutil.rmtree(folders.staged.parent, ignore_errors=True)
        return state.rows()


def _images(engine: Engine, roster: Roster, folders: RunFolders) -> dict[str, str]:
    """Team → local id of its image; a team that is finished needs none any more."""
    done: dict[str, str] = {}
    if folders.state.exists():
        state = RunState(folders.state)
        open_ = {row.team for row in state.rows() if not row.state.final}
        done = {entry["team"]: entry["image_id"] for entry in state.teams() if entry["team"] not in open_}
    images = {}
    for team in roster.teams:
        try:
            images[team.name] = engine.image_id(team.image)
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


def _usable_gpus(engine: Engine, roster: Roster, helper: str, run_id: str) -> tuple[str | None, ...]:
    """A worker's GPU each; None is the CPU, for all where the engine has no GPU to give."""
    workers = min(roster.parallel, len(roster.teams))
    for gpu in roster.gpus:
        arguments = helper_arguments(helper, (), {RUN_LABEL: run_id}, gpu=gpu)
        try:
            engine.remove(engine.start(arguments))
        except RefusedError as error:
            _LOG.warning("the engine gives no GPU %s (%s): all teams run on the CPU", gpu, error)
            return (None,) * workers
    return roster.gpus or (None,) * workers
