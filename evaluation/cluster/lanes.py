"""A team's jobs as they wait, and the request that each becomes when it is handed out."""

from __future__ import annotations

import io
import math
import tarfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.cluster.request import JobRequest
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RunContext
from evaluation.harness.conventions import ContainerJob, make_jobs
from evaluation.harness.roster import Team
from evaluation.harness.state import RunState
from evaluation.harness.workers import unfinished
from feta.cases import Case
from feta.errors import FetaError

#: Of a job's input, where it is sent.
MOST_SENT_MB = 1024


@dataclass
class Lane:
    """A team's jobs. Where its time is limited they go one after another: what one may take depends on those before.

    Attributes:
        used: seconds of the team's that are gone.
    """

    team: Team
    jobs: deque[ContainerJob]
    used: float
    one_by_one: bool
    at_work: int = 0

    @property
    def ready(self) -> bool:
        """Whether a job of it can be handed out now."""
        return bool(self.jobs) and not (self.one_by_one and self.at_work)


def lanes_of(teams: Sequence[Team], context: RunContext, state: RunState) -> list[Lane]:
    """What some teams have not finished, in the order of the roster and the input."""
    lanes = []
    for team in teams:
        own = state.rows(team.name)
        used = sum(row.seconds or 0.0 for row in own if row.state.final)
        jobs = deque(unfinished(own, team, context.cases))
        lanes.append(Lane(team, jobs, used, math.isfinite(context.limits.team_seconds)))
    return lanes


def request_for(
    lane: Lane, job: ContainerJob, seconds: float, context: RunContext, *, gpu: bool, send: bool, places: int
) -> JobRequest:
    """What a worker is told of a job.

    Args:
        seconds: that it may take.
        send: the input goes with it.
        places: containers at the same time, on all workers.
    """
    subjects, staged = {case.subject for case in job.cases}, context.folders.staged
    return JobRequest(
        context.run_id,
        job,
        tuple(case for case in context.cases if case.subject in subjects),
        context.images[lane.team.name],
        context.helper_id,
        context.user(lane.team),
        context.limits,
        seconds,
        gpu,
        packed(staged, job.number) if send else staged,
        len(lane.jobs) // max(1, places),
    )


def check_sent(team: Team, cases: Sequence[Case]) -> None:
    """See before the first container that the input of each of a team's can be sent.

    Raises:
        FetaError: one is too large.
    """
    size = max(sum(case.image.stat().st_size for case in job.cases) for job in make_jobs(team, cases))
    if size > MOST_SENT_MB * MB:
        said = f"the input of a container of {team.name} has {size / MB:.0f} MB, and {MOST_SENT_MB} are sent at most"
        raise FetaError("--send", said, "share the output folder with all workers instead")


def packed(staged: Path, number: str) -> bytes:
    """The staged input of a job as a tar archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(staged / number, arcname=number)
    return data.getvalue()
