"""Handing out jobs: a bounded number at a time, each to a worker that is fit for it, and whatever comes back written.

This process alone writes: results, logs, and the state of the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from evaluation.cluster.facts import MEMORY, places_of
from evaluation.cluster.gpus import RESOURCE
from evaluation.cluster.lanes import Lane, check_sent, lanes_of, request_for
from evaluation.cluster.remote import run_remote
from evaluation.cluster.request import JobFault, JobResult, WorkerFacts
from evaluation.cluster.results import write_results
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.collect import remove_results
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RUN_LABEL, RunContext
from evaluation.harness.conventions import ContainerJob, case_id
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import Roster, Team
from evaluation.harness.run import note_engines, warn_of_walls
from evaluation.harness.state import RunState
from evaluation.harness.workers import OnCasesDone, time_left
from feta.errors import HostError

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 2.0
#: How long there may be no worker that is fit, and how often a job may be in vain.
_PATIENCE_SECONDS, _MOST_TRIES = 60.0, 4
#: Jobs that are left after so many tries; of more it is no single one's fault.
_MOST_LEFT = 3
#: Results that are recorded together.
_MOST_AT_ONCE = 64
_CONTINUES = "the same command continues where it stopped"


class Workers(Protocol):
    """What is needed of the cluster."""

    #: A ``distributed.Client``.
    client: Any
    #: Those that are fit, by their address.
    fit: dict[str, WorkerFacts]
    #: Whether the input is sent with each job.
    send: bool
    #: How jobs come there.
    way: str

    @property
    def last_line(self) -> str:
        """What was last said of one that is not fit."""

    def refresh(self) -> None:
        """See who is there."""

    def fault(self, name: str, line: str) -> None:
        """A worker could not do a job."""

    def did(self, name: str) -> None:
        """A worker has done a job."""

    def places(self, roster: Roster) -> int:
        """Containers at the same time."""

    def engines(self) -> Sequence[tuple[str, EngineOffers]]:
        """Hosts of fit workers, and what their engines have."""

    def workers_for(self, image: str, image_id: str) -> list[str]:
        """Fit workers that have an image."""

    def remove_labelled(self, label: str) -> int:
        """End what is at work."""


@dataclass
class _Sent:
    """A job at work; ``counted``: dask counts its memory."""

    lane: Lane
    job: ContainerJob
    workers: list[str] = field(default_factory=list)
    counted: bool = False


class Dispatcher:
    """Jobs of a run, from the first to the last. Each is given a GPU, if the roster names any."""

    def __init__(
        self, cluster: Workers, roster: Roster, context: RunContext, state: RunState, on_cases_done: OnCasesDone
    ) -> None:
        self._cluster, self._roster, self._context, self._state = cluster, roster, context, state
        self._tell, self._gpu = on_cases_done, bool(roster.gpus)
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._sent: dict[Any, _Sent] = {}
        #: Of each job: workers that could not do it.
        self._in_vain: dict[tuple[str, str], list[str]] = {}
        self._looked = self._fit_at = time.monotonic()
        self._gone: list[GoneError] = []
        self._left: list[HostError] = []
        self._engines = set(cluster.engines())

    def run(self, teams: Sequence[Team]) -> None:
        """Hand out what is not finished of some teams, and wait for its end.

        Raises:
            FetaError: an input is too large to be sent.
            HostError: the scheduler is gone, or no worker is left, or a job is in vain on all of them.
            GoneError: no worker has a team's image any more; the others have come to their end.
        """
        lanes = lanes_of(teams, self._context, self._state)
        try:
            for lane in lanes:
                if self._cluster.send and lane.jobs:
                    check_sent(lane.team, self._context.cases)
            while self._sent or any(lane.jobs for lane in lanes):
                self._look()
                self._fill(lanes)
                self._take_all()
        finally:
            self._end()
        for error in (*self._left, *self._gone):
            raise error

    def _end(self) -> None:
        """Nothing is left at work, whatever ended this."""
        # What the scheduler no longer knows can't be cancelled; workers see by themselves that nobody waits.
        with suppress(OSError, TimeoutError, HostError):
            if self._sent and self._cluster.client.status == "running":
                self._cluster.client.cancel(list(self._sent), force=True)
            self._sent.clear()
            self._cluster.remove_labelled(f"{RUN_LABEL}={self._context.run_id}")

    def _look(self) -> None:
        """See now and then which workers there are; a job whose every worker has gone is given to others."""
        now = time.monotonic()
        if now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        self._cluster.refresh()
        self._note_new()
        if self._cluster.fit:
            self._fit_at = now
        elif now - self._fit_at > _PATIENCE_SECONDS:
            said = f"no worker is left that can do it ({self._cluster.last_line or 'all have ended'})"
            raise HostError("--scheduler", said, f"mend or start some; {_CONTINUES}")
        for future, sent in list(self._sent.items()):
            if not set(sent.workers) & set(self._cluster.fit) and future.status == "pending":
                self._back(future, sent)
                self._cluster.client.cancel([future], force=True)

    def _note_new(self) -> None:
        """Engines of workers that came meanwhile are on record before they are given anything."""
        new = sorted(set(self._cluster.engines()) - self._engines, key=str)
        if new:
            note_engines(self._cluster.way, new, self._state)
            warn_of_walls(new)
        self._engines.update(new)

    def _back(self, future: Any, sent: _Sent) -> None:
        del self._sent[future]
        sent.lane.at_work -= 1
        sent.lane.jobs.appendleft(sent.job)

    def _fill(self, lanes: Sequence[Lane]) -> None:
        """One job more than there are places on each worker, so that none waits for us."""
        chosen: list[tuple[Lane, ContainerJob, float, list[str]]] = []
        places = self._cluster.places(self._roster)
        most = places + len(self._cluster.fit) - len(self._sent)
        for lane in lanes:
            while lane.ready and len(chosen) < most:
                workers = self._cluster.workers_for(lane.team.image, self._context.images[lane.team.name])
                if not workers and self._cluster.fit:
                    lane.jobs.clear()
                    remedy = f"put the very same back there (docker load, or pull); {_CONTINUES}"
                    self._gone.append(GoneError(lane.team.name, f"no worker has its image {lane.team.image}", remedy))
                if not workers:
                    break
                job = lane.jobs.popleft()
                seconds = time_left(job, lane.used, self._context.limits)
                if seconds > 0:
                    lane.at_work += 1
                    failed = self._in_vain.get((lane.team.name, job.label), [])
                    chosen.append((lane, job, seconds, [n for n in workers if n not in failed] or workers))
                else:
                    self._out_of_time(lane, job)
        # In one transaction: each waits for the disk.
        begun = [(lane.team.name, case_id(case)) for lane, job, *_ in chosen for case in job.cases]
        if begun:
            self._state.begin(begun, "GPU" if self._gpu else "CPU")
        for lane, job, seconds, workers in chosen:
            self._hand_out(lane, job, seconds, workers, places)

    def _out_of_time(self, lane: Lane, job: ContainerJob) -> None:
        remove_results(job.cases, self._context.folders.submissions / lane.team.name)
        name = lane.team.name
        rows = [CaseRow(name, case_id(case), CaseState.OUT_OF_TIME, seconds=0.0) for case in job.cases]
        self._state.finish(rows)
        self._tell(rows)

    def _hand_out(self, lane: Lane, job: ContainerJob, seconds: float, workers: list[str], places: int) -> None:
        request = request_for(lane, job, seconds, self._context, gpu=self._gpu, send=self._cluster.send, places=places)
        wanted = {RESOURCE: 1.0} if self._gpu else {}
        workers, counted = self._of_a_kind(workers)
        if counted:
            wanted[MEMORY] = self._context.limits.memory_mb * MB
        future = self._cluster.client.submit(
            run_remote, request, workers=workers, resources=wanted, pure=False, retries=0
        )
        self._sent[future] = _Sent(lane, job, workers, counted)
        future.add_done_callback(self._ended.put)

    def _of_a_kind(self, workers: list[str]) -> tuple[list[str], bool]:
        """Workers whose memory dask counts, or the others, and which; of both those with more places that are free.

        It counts for all whom a job may go to, or for none.
        """
        fit, memory_mb = self._cluster.fit, self._context.limits.memory_mb
        kinds = {counted: [n for n in workers if (MEMORY in fit[n].resources) is counted] for counted in (True, False)}
        if not (kinds[True] and kinds[False]):
            return workers, bool(kinds[True])
        free = {
            counted: sum(places_of(fit[name], gpu=self._gpu, memory_mb=memory_mb) for name in names)
            - sum(sent.counted is counted for sent in self._sent.values())
            for counted, names in kinds.items()
        }
        chosen = max(free, key=free.__getitem__)
        return kinds[chosen], chosen

    def _take_all(self) -> None:
        """Whatever has come back meanwhile, or does within a moment; in one transaction, too."""
        done: list[Sequence[CaseRow]] = []
        try:
            with suppress(Empty):
                self._take(self._ended.get(timeout=_SECONDS_BETWEEN_LOOKS), done)
                while len(done) < _MOST_AT_ONCE:
                    self._take(self._ended.get_nowait(), done)
        finally:
            if done:
                self._state.finish([row for rows in done for row in rows])
            for rows in done:
                self._tell(rows)

    def _take(self, future: Any, done: list[Sequence[CaseRow]]) -> None:
        """What has come of a job; its rows join those that are to be recorded."""
        sent = self._sent.get(future)
        if sent is None:
            return
        answer: JobResult | JobFault = future.result() if future.status == "finished" else _lost(future)
        if isinstance(answer, JobFault):
            self._back(future, sent)
            self._count(sent, answer)
            return
        del self._sent[future]
        sent.lane.at_work -= 1
        write_results(self._context, sent.job, answer)
        sent.lane.used += sum(row.seconds or 0.0 for row in answer.rows)
        self._cluster.did(answer.worker)
        done.append(answer.rows)

    def _count(self, sent: _Sent, fault: JobFault) -> None:
        """A job is tried again, by another worker where there is one, but not for ever."""
        if fault.stopped:
            return  # its worker was ended in order, as Slurm does when its time is over
        if fault.worker:
            self._cluster.fault(fault.worker, fault.line)
        key = (sent.lane.team.name, sent.job.label)
        self._in_vain.setdefault(key, []).append(fault.worker)
        if len(self._in_vain[key]) >= _MOST_TRIES:
            said = f"was in vain {_MOST_TRIES} times ({fault.line})"
            self._leave(sent, HostError(f"{key[0]}: {key[1]}", said, f"see to it; {_CONTINUES}"))

    def _leave(self, sent: _Sent, error: HostError) -> None:
        """The others go on without a job that ends every worker, say, and its error ends the run after them."""
        self._left.append(error)
        if len(self._left) >= _MOST_LEFT:
            raise self._left[0]
        _LOG.warning("%s: %s; the others go on", error.subject, error.problem)
        if sent.lane.one_by_one:  # what its next one may take depends on it
            sent.lane.jobs.clear()
        else:
            sent.lane.jobs.remove(sent.job)


def _lost(future: Any) -> JobFault:
    """A future without a result: its worker died of it, several times; or the scheduler has lost it."""
    error = future.exception() if future.status == "error" else None
    if error is None or type(error).__name__ == "KilledWorker":
        return JobFault("", "its worker died each time")
    return JobFault("", f"dask: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
