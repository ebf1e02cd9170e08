"""An organizer's day: every team's container on every hidden case, to an end whatever they do or interrupts it."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from evaluation.harness.container_spec import helper_arguments
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders
from evaluation.harness.conventions import ContainerJob, case_id, make_jobs
from evaluation.harness.engine import Engine, GoneError, RefusedError
from evaluation.harness.job import StoppedError, Worker, run_job
from evaluation.harness.record import write_record
from evaluation.harness.roster import ResourceLimits, Roster, Team
from evaluation.harness.staging import cases_to_run, identity, stage
from evaluation.harness.state import CaseRow, CaseState, RunState
from evaluation.harness.volumes import ResultVolumes
from feta.cases import Case
from feta.errors import FetaError
from feta.lock import locked

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_TRIES = 0.5

#: Called with the cases that have ended.
OnCasesDone = Callable[[Sequence[CaseRow]], None]


def run(roster: Roster, input_: Path, output: Path, on_cases_done: OnCasesDone) -> list[CaseRow]:
    """Run what is not finished of a roster; ``OUTPUT/submissions`` is then for ``feta-evaluate score``.

    Args:
        input_: a BIDS tree or a flat folder of volumes with participants.tsv. Nothing else of it is shown to a team.
        output: state, logs and submissions; a run that was killed goes on there.
        on_cases_done: told of each job's cases when they have ended, in the thread that ran them.

    Returns:
        How every team's cases ended.

    Raises:
        FetaError: roster, input, output or engine can't be used; or another harness is at work there.
        KeyboardInterrupt: interrupted; containers are gone, and the next run goes on.
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
            _run_all(roster, context, state, gpus, engine, on_cases_done)
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


def _run_all(
    roster: Roster,
    context: RunContext,
    state: RunState,
    gpus: Sequence[str | None],
    engine: Engine,
    on_cases_done: OnCasesDone,
) -> None:
    """A thread for each GPU takes team after team; the first error that is ours, or a signal, ends them all.

    A team whose image is gone is left, for the error at the end.
    """
    teams: SimpleQueue[Team] = SimpleQueue()
    for team in roster.teams:
        teams.put(team)
    stop, errors, gone = threading.Event(), SimpleQueue[BaseException](), SimpleQueue[GoneError]()

    def work(gpu: str | None) -> None:
        try:
            with closing(Engine()) as own:
                while not stop.is_set():
                    team = teams.get_nowait()
                    jobs = _unfinished(state, team, context.cases)
                    try:
                        with ResultVolumes(own, context, team, len(jobs)) as volumes:
                            _run_team(Worker(own, context, volumes, gpu, stop), state, team, jobs, on_cases_done)
                    except GoneError:
                        remedy = "put the very same back (docker load, or pull); the same command goes on where it was"
                        gone.put(GoneError(team.name, f"its image {team.image} is gone", remedy))
        except (Empty, StoppedError):
            return
        except BaseException as error:
            errors.put(error)
            stop.set()

    threads = [threading.Thread(target=work, args=(gpu,), daemon=True) for gpu in gpus[: len(roster.teams)]]
    with _terminated_as_interrupted():
        try:
            for thread in threads:
                thread.start()
            while not stop.is_set() and any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(_SECONDS_BETWEEN_TRIES)
        finally:
            stop.set()
            _end_all(threads, engine, context.run_id)
            engine.remove_labelled(f"{RUN_LABEL}={context.run_id}")
    for found in (errors, gone):
        if not found.empty():
            raise found.get()


def _end_all(threads: Sequence[threading.Thread], engine: Engine, run_id: str) -> None:
    """End containers until the threads that watch them have ended: one can be started while others are removed."""
    while any(thread.is_alive() for thread in threads):
        engine.remove_labelled(f"{RUN_LABEL}={run_id}")
        for thread in threads:
            thread.join(_SECONDS_BETWEEN_TRIES)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, SIGINT and a closed terminal end a run in order, wherever it was started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # SIGINT, too: a shell has its background jobs ignore it. SIGHUP is ignored under `nohup`, and stays so.
    numbers = [signal.SIGTERM, signal.SIGINT]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_team(
    worker: Worker, state: RunState, team: Team, jobs: Sequence[ContainerJob], on_cases_done: OnCasesDone
) -> None:
    """A team's unfinished jobs, one after another, until its time is used up."""
    for job in jobs:
        ids = [case_id(case) for case in job.cases]
        seconds = time_for(job, _rows_of(state, team), worker.context.limits)
        if seconds <= 0:
            ended = [CaseRow(team.name, name, CaseState.OUT_OF_TIME, seconds=0.0) for name in ids]
        else:
            state.begin(team.name, ids, "CPU" if worker.gpu is None else f"GPU {worker.gpu}")
            ended = run_job(worker, job, seconds)
        state.finish(ended)
        on_cases_done(ended)


def _unfinished(state: RunState, team: Team, cases: Sequence[Case]) -> list[ContainerJob]:
    final = {row.case for row in _rows_of(state, team) if row.state.final}
    return [job for job in make_jobs(team, cases) if any(case_id(case) not in final for case in job.cases)]


def _rows_of(state: RunState, team: Team) -> list[CaseRow]:
    return [row for row in state.rows() if row.team == team.name]


def time_for(job: ContainerJob, rows: Sequence[CaseRow], limits: ResourceLimits) -> float:
    """Seconds that a job may take: its cases' own, and no more than its team has left."""
    used = sum(row.seconds or 0.0 for row in rows if row.state.final)
    return min(limits.case_seconds * len(job.cases), limits.team_seconds - used)
