"""This machine as the place where teams run: threads take team after team, and end in order whatever ends them."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Protocol

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.collect import remove_results
from evaluation.harness.container_spec import helper_arguments
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders
from evaluation.harness.conventions import ContainerJob, case_id, make_jobs
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import GoneError, RefusedError
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.job import StoppedError, Worker, run_job
from evaluation.harness.record import HERE
from evaluation.harness.roster import ResourceLimits, Roster, Team
from evaluation.harness.state import RunState
from evaluation.harness.volumes import ResultVolumes
from feta.cases import Case

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_TRIES = 0.5

#: Called with the cases that have ended.
OnCasesDone = Callable[[Sequence[CaseRow]], None]


class Machines(Protocol):
    """Where a run's containers are started: on this machine, or on others."""

    #: How jobs come there; see ``evaluation.harness.record.Place``.
    way: str
    #: Whether a team's containers run one after another, whatever its limits.
    team_at_once: bool

    def engines(self) -> Sequence[tuple[str, EngineOffers]]:
        """Each machine's name, and what its engine has to keep containers apart.

        Raises:
            FetaError: there is no machine, or one of them can't be used.
        """

    def image_id(self, name: str) -> str:
        """The local id that an image's name stands for, the same on all machines.

        Raises:
            GoneError: there is no such image on one of them.
        """

    def at_once(self, roster: Roster, machine: str) -> int:
        """How many containers a machine, one of ``engines``, has at the same time."""

    def places(self, roster: Roster) -> int:
        """How many containers there are at the same time on all machines."""

    def lacking(self, roster: Roster, teams: Sequence[Team], cases: Sequence[Case]) -> list[str]:
        """What of a roster can't be had for some teams beside images and walls, a line each."""

    def remove_labelled(self, label: str) -> int:
        """Remove what carries a label on every machine; returns how many containers there were."""

    def run_teams(
        self, roster: Roster, teams: Sequence[Team], context: RunContext, state: RunState, on_cases_done: OnCasesDone
    ) -> None:
        """Run what is not finished of some teams, to its end."""

    def close(self) -> None:
        """End the connection."""


class ThisMachine:
    """The engine of this machine."""

    way, team_at_once = HERE, True

    def __init__(self, _roster: Roster, _folders: RunFolders) -> None:
        self._engine = Engine()

    def engines(self) -> Sequence[tuple[str, EngineOffers]]:
        """As ``Machines``."""
        return [("container engine", self._engine.offers())]

    def image_id(self, name: str) -> str:
        """As ``Machines``."""
        return self._engine.image_id(name)

    def at_once(self, roster: Roster, machine: str = HERE) -> int:
        """As ``Machines``: a worker for each GPU, or as many as the roster says."""
        return min(len(roster.gpus) or roster.parallel, len(roster.teams))

    def places(self, roster: Roster) -> int:
        """As ``Machines``."""
        return self.at_once(roster)

    def lacking(self, roster: Roster, teams: Sequence[Team], cases: Sequence[Case]) -> list[str]:
        """As ``Machines``: GPUs, of which only a container tells."""
        try:
            helper, offers = self._engine.image_id(roster.helper_image), self._engine.offers()
        except GoneError:
            return []  # told of as an image
        return [line for gpu in roster.gpus if (line := gpu_problem(self._engine, helper, offers, {}, gpu))]

    def remove_labelled(self, label: str) -> int:
        """As ``Machines``."""
        return self._engine.remove_labelled(label)

    def run_teams(
        self, roster: Roster, teams: Sequence[Team], context: RunContext, state: RunState, on_cases_done: OnCasesDone
    ) -> None:
        """As ``Machines``."""
        run_teams(teams, context, state, _usable_gpus(self._engine, roster, context), self._engine, on_cases_done)

    def close(self) -> None:
        """As ``Machines``."""
        self._engine.close()


def _usable_gpus(engine: Engine, roster: Roster, context: RunContext) -> tuple[str | None, ...]:
    """A worker's GPU each; None is the CPU, for all where the engine has no GPU to give."""
    workers = min(roster.parallel, len(roster.teams))
    for gpu in roster.gpus:
        if problem := gpu_problem(engine, context.helper_id, context.offers, context.labels, gpu):
            _LOG.warning("%s: all teams run on the CPU", problem)
            return (None,) * workers
    return roster.gpus or (None,) * workers


def gpu_problem(engine: Engine, helper_id: str, offers: EngineOffers, labels: Mapping[str, str], gpu: str) -> str:
    """Why an engine gives no GPU of this id, by a container of ours that asks for it; empty where it does."""
    if not offers.gpus:
        return f"the engine gives no GPU {gpu} ({offers.engine} passes over in silence that it is asked for one)"
    try:
        engine.remove(engine.start(helper_arguments(helper_id, (), labels, gpu=gpu, offers=offers)))
    except RefusedError as error:
        return f"the engine gives no GPU {gpu} ({error})"
    return ""


def run_teams(
    teams: Sequence[Team],
    context: RunContext,
    state: RunState,
    gpus: Sequence[str | None],
    engine: Engine,
    on_cases_done: OnCasesDone,
) -> None:
    """A thread for each GPU takes team after team; the first error that is ours, or a signal, ends them all.

    A team whose image is gone is left, for the error at the end.
    """
    waiting: SimpleQueue[Team] = SimpleQueue()
    for team in teams:
        waiting.put(team)
    stop, errors, gone = threading.Event(), SimpleQueue[BaseException](), SimpleQueue[GoneError]()

    def work(gpu: str | None) -> None:
        try:
            with closing(Engine()) as own:
                while not stop.is_set():
                    team = waiting.get_nowait()
                    jobs = unfinished(state.rows(team.name), team, context.cases)
                    try:
                        with ResultVolumes(own, context, team, len(jobs)) as volumes:
                            _run_team(Worker(own, context, volumes, gpu, stop), state, team, jobs, on_cases_done)
                    except GoneError:
                        remedy = (
                            "put the very same back (docker load, or pull); the same command continues where it stopped"
                        )
                        gone.put(GoneError(team.name, f"its image {team.image} is gone", remedy))
        except (Empty, StoppedError):
            return
        except BaseException as error:
            errors.put(error)
            stop.set()

    threads = [threading.Thread(target=work, args=(gpu,), daemon=True) for gpu in gpus[: len(teams)]]
    with terminated_as_interrupted():
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
def terminated_as_interrupted() -> Iterator[None]:
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
        remove_results(job.cases, worker.context.folders.submissions / team.name)
        seconds = time_for(job, state.rows(team.name), worker.context.limits)
        if seconds <= 0:
            ended = [CaseRow(team.name, name, CaseState.OUT_OF_TIME, seconds=0.0) for name in ids]
        else:
            state.begin([(team.name, name) for name in ids], "CPU" if worker.gpu is None else f"GPU {worker.gpu}")
            ended = run_job(worker, job, seconds)
        state.finish(ended)
        on_cases_done(ended)


def unfinished(rows: Sequence[CaseRow], team: Team, cases: Sequence[Case]) -> list[ContainerJob]:
    """Jobs of a team with a case that has not ended, in their order.

    Args:
        rows: the team's.
    """
    final = {row.case for row in rows if row.state.final}
    return [job for job in make_jobs(team, cases) if any(case_id(case) not in final for case in job.cases)]


def time_for(job: ContainerJob, rows: Sequence[CaseRow], limits: ResourceLimits) -> float:
    """Seconds that a job may take: its cases' own, and no more than its team has left."""
    return time_left(job, sum(row.seconds or 0.0 for row in rows if row.state.final), limits)


def time_left(job: ContainerJob, used: float, limits: ResourceLimits) -> float:
    """As ``time_for``, where ``used`` seconds of the team's are gone."""
    return min(limits.case_seconds * len(job.cases), limits.team_seconds - used)
