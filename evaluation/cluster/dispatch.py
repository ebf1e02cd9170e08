"""Handing out jobs: a bounded number at a time, each to a worker that is fit for it, and whatever comes back written.

This process alone writes: results, logs, and the state of the run.
"""

from __future__ import annotations

import io
import logging
import math
import tarfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from evaluation.cluster.facts import MEMORY
from evaluation.cluster.gpus import RESOURCE
from evaluation.cluster.remote import run_remote
from evaluation.cluster.request import JobFault, JobRequest, JobResult, WorkerFacts
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.collect import remove_results
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RUN_LABEL, RunContext, log_path
from evaluation.harness.conventions import ContainerJob, case_id
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.roster import Roster, Team
from evaluation.harness.state import RunState
from evaluation.harness.workers import OnCasesDone, time_left, unfinished
from feta.cases import biometry_path, label_map_path
from feta.errors import FetaError, HostError
from feta.files import write_atomically

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 2.0
#: How long there may be no worker that is fit, and how often a job may be in vain.
_PATIENCE_SECONDS, _MOST_TRIES = 60.0, 4
_MOST_SENT_MB = 1024
_CONTINUES = "the same command continues where it stopped"


class Workers(Protocol):
    """What is needed of the cluster."""

    #: A ``distributed.Client``.
    client: Any
    #: Those that are fit, by their address.
    fit: dict[str, WorkerFacts]
    #: Whether the input is sent with each job.
    send: bool

    @property
    def last_line(self) -> str:
        """What was last said of one that is not fit."""

    def refresh(self) -> None:
        """See who is there."""

    def fault(self, name: str, line: str) -> None:
        """A worker could not do a job."""

    def places(self, roster: Roster) -> int:
        """Containers at the same time."""

    def workers_for(self, image: str, image_id: str) -> list[str]:
        """Fit workers that have an image."""

    def remove_labelled(self, label: str) -> int:
        """End what is at work."""


@dataclass
class _Lane:
    """A team's jobs. Where its time is limited they go one after another: what one may take depends on those before."""

    team: Team
    jobs: deque[ContainerJob]
    used: float
    one_by_one: bool
    at_work: int = 0

    @property
    def ready(self) -> bool:
        return bool(self.jobs) and not (self.one_by_one and self.at_work)


@dataclass
class _Sent:
    """A job at work."""

    lane: _Lane
    job: ContainerJob
    workers: list[str] = field(default_factory=list)


class Dispatcher:
    """Jobs of a run, from the first to the last. Each is given a GPU, if the roster names any."""

    def __init__(
        self, cluster: Workers, roster: Roster, context: RunContext, state: RunState, on_cases_done: OnCasesDone
    ) -> None:
        self._cluster, self._roster, self._context, self._state = cluster, roster, context, state
        self._tell, self._gpu = on_cases_done, bool(roster.gpus)
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._sent: dict[Any, _Sent] = {}
        self._tries: dict[tuple[str, str], int] = {}
        self._looked = self._fit_at = time.monotonic()
        self._gone: list[GoneError] = []

    def run(self, teams: Sequence[Team]) -> None:
        """Hand out what is not finished of some teams, and wait for its end.

        Raises:
            HostError: the scheduler is gone, or no worker is left.
            GoneError: no worker has a team's image any more; the others have come to their end.
        """
        rows = self._state.rows()
        lanes = []
        for team in teams:
            own = [row for row in rows if row.team == team.name]
            used = sum(row.seconds or 0.0 for row in own if row.state.final)
            jobs = deque(unfinished(own, team, self._context.cases))
            lanes.append(_Lane(team, jobs, used, math.isfinite(self._context.limits.team_seconds)))
        del rows
        try:
            while self._sent or any(lane.jobs for lane in lanes):
                self._look()
                self._fill(lanes)
                with suppress(Empty):
                    self._take(self._ended.get(timeout=_SECONDS_BETWEEN_LOOKS))
                    while True:
                        self._take(self._ended.get_nowait())
        finally:
            self._end()
        if self._gone:
            raise self._gone[0]

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
        if self._cluster.fit:
            self._fit_at = now
        elif now - self._fit_at > _PATIENCE_SECONDS:
            said = f"no worker is left that can do it ({self._cluster.last_line or 'all have ended'})"
            raise HostError("--scheduler", said, f"mend or start some; {_CONTINUES}")
        for future, sent in list(self._sent.items()):
            if not set(sent.workers) & set(self._cluster.fit) and future.status == "pending":
                self._back(future, sent)
                self._cluster.client.cancel([future], force=True)

    def _back(self, future: Any, sent: _Sent) -> None:
        del self._sent[future]
        sent.lane.at_work -= 1
        sent.lane.jobs.appendleft(sent.job)

    def _fill(self, lanes: Sequence[_Lane]) -> None:
        """One job more than there are places on each worker, so that none waits for us."""
        most = self._cluster.places(self._roster) + len(self._cluster.fit)
        for lane in lanes:
            while lane.ready and len(self._sent) < most:
                image = self._context.images[lane.team.name]
                workers = self._cluster.workers_for(lane.team.image, image)
                if not workers:
                    if not self._cluster.fit:
                        return
                    lane.jobs.clear()
                    remedy = f"put the very same back there (docker load, or pull); {_CONTINUES}"
                    self._gone.append(GoneError(lane.team.name, f"no worker has its image {lane.team.image}", remedy))
                    break
                self._hand_out(lane, lane.jobs.popleft(), workers)

    def _hand_out(self, lane: _Lane, job: ContainerJob, workers: list[str]) -> None:
        context, ids = self._context, [case_id(case) for case in job.cases]
        seconds = time_left(job, lane.used, context.limits)
        if seconds <= 0:
            remove_results(job.cases, context.folders.submissions / lane.team.name)
            self._finish(lane, [CaseRow(lane.team.name, name, CaseState.OUT_OF_TIME, seconds=0.0) for name in ids])
            return
        self._state.begin(lane.team.name, ids, "GPU" if self._gpu else "CPU")
        subjects = {case.subject for case in job.cases}
        everyone = tuple(case for case in context.cases if case.subject in subjects)
        request = JobRequest(
            context.run_id, job, everyone, context.images[lane.team.name], context.helper_id,
            context.user(lane.team), context.limits, seconds, self._gpu, self._data(job),
        )  # fmt: skip
        wanted = {RESOURCE: 1.0} if self._gpu else {}
        if all(MEMORY in self._cluster.fit[name].resources for name in workers):
            wanted[MEMORY] = context.limits.memory_mb * MB
        future = self._cluster.client.submit(
            run_remote, request, workers=workers, resources=wanted, pure=False, retries=0
        )
        self._sent[future] = _Sent(lane, job, workers)
        lane.at_work += 1
        future.add_done_callback(self._ended.put)

    def _data(self, job: ContainerJob) -> Path | bytes:
        staged = self._context.folders.staged
        return packed(staged, job.number) if self._cluster.send else staged

    def _take(self, future: Any) -> None:
        """What has come of a job."""
        sent = self._sent.get(future)
        if sent is None:
            return
        if future.status == "finished":
            answer: JobResult | JobFault | None = future.result()
        else:
            answer = self._lost(future)
        if isinstance(answer, JobResult):
            del self._sent[future]
            sent.lane.at_work -= 1
            self._write(sent.lane.team, sent.job, answer)
            self._finish(sent.lane, answer.rows)
            return
        self._back(future, sent)
        self._count(sent, answer)

    def _lost(self, future: Any) -> JobFault | None:
        """A future without a result: its worker died of it, several times; or the scheduler has lost it."""
        from distributed import KilledWorker

        error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker | OSError):
            raise error
        return None

    def _count(self, sent: _Sent, fault: JobFault | None) -> None:
        """A job is tried again elsewhere, but not for ever."""
        if fault is not None and not fault.stopped:
            self._cluster.fault(fault.worker, fault.line)
        key = (sent.lane.team.name, sent.job.label)
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] >= _MOST_TRIES:
            said = fault.line if fault else "its worker died each time"
            raise HostError(
                f"{key[0]}: {key[1]}", f"was in vain {_MOST_TRIES} times ({said})", f"see to it; {_CONTINUES}"
            )

    def _write(self, team: Team, job: ContainerJob, answer: JobResult) -> None:
        """Results in place of whatever an earlier attempt left, and the log.

        Raises:
            FetaError: they can't be written, or are not what was asked for.
        """
        folder = self._context.folders.submissions / team.name
        expected = {path for case in job.cases for path in (label_map_path(folder, case), biometry_path(folder, case))}
        names = {(row.team, row.case) for row in answer.rows}
        if not {folder / name for name in answer.files} <= expected or names != {
            (team.name, case_id(case)) for case in job.cases
        }:
            raise FetaError(
                answer.worker, f"answers what nobody asked for ({team.name}: {job.label})", "end that worker"
            )
        remove_results(job.cases, folder)
        for name, data in answer.files.items():
            write_atomically(folder / name, data)
        write_atomically(log_path(self._context.folders, job), answer.log)

    def _finish(self, lane: _Lane, rows: Sequence[CaseRow]) -> None:
        lane.used += sum(row.seconds or 0.0 for row in rows)
        self._state.finish(rows)
        self._tell(rows)


def packed(staged: Path, number: str) -> bytes:
    """The staged input of a job as a tar archive.

    Raises:
        FetaError: it is too large to be sent.
    """
    size = sum(path.stat().st_size for path in (staged / number).rglob("*") if path.is_file())
    if size > _MOST_SENT_MB * MB:
        said = f"the input of a container has {size / MB:.0f} MB, and {_MOST_SENT_MB} are sent at most"
        raise FetaError("--send", said, "share the output folder with all workers instead")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(staged / number, arcname=number)
    return data.getvalue()
