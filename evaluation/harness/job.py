"""One container from beginning to end: made, watched, ended, its results fetched, and nothing of it left."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from evaluation.harness.case_state import CaseRow
from evaluation.harness.collect import collect, unpack
from evaluation.harness.container_spec import SLEEPING, Place, container_arguments, folder_arguments, own_folders
from evaluation.harness.context import RunContext
from evaluation.harness.conventions import Call, ContainerJob, make_call
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError
from evaluation.harness.outcome import ContainerOutcome, case_row, write_log
from evaluation.harness.volumes import JobVolumes, ResultVolumes
from feta.errors import FetaError, HostError

_JOB_LABEL = "feta.job"
_KILLED_SECONDS = 60.0
_FIRST_LOOK_SECONDS, _SECONDS_BETWEEN_LOOKS = 0.125, 1.0
#: Folders of an image's own that are made writable; each costs the engine some milliseconds a container.
_MOST_FOLDERS = 32
_CONTINUES = "the same command continues where it stopped"


class StoppedError(Exception):
    """The harness is to end: what was running is not to be recorded."""


@dataclass(frozen=True)
class Worker:
    """What runs a team's jobs, in one thread.

    Attributes:
        gpu: id of the GPU; None for the CPU.
        stop: when set and its container is killed, a job ends unrecorded.
    """

    engine: Engine
    context: RunContext
    volumes: ResultVolumes
    gpu: str | None
    stop: Event


def run_job(worker: Worker, job: ContainerJob, seconds: float) -> list[CaseRow]:
    """Run a job, put its results into the team's folder and its log beside, and say how each case ended.

    Args:
        seconds: wall clock that it may take.

    Raises:
        GoneError: the team's image is gone.
        FetaError: the engine is gone, or a folder of ours can't be written. Nothing is recorded then.
        StoppedError: ``stop`` was set.
    """
    call = make_call(job)
    outcome = _attempt(worker, job, call, seconds)
    if outcome.doubtful:
        # Nothing is held against a team before others were seen to do what it could not, and it can't once more.
        _see_that_others_start(worker, job, call)
        first, outcome = outcome, _attempt(worker, job, call, seconds)
        outcome.messages[:0] = [f"first attempt: {line}" for line in first.messages] + ["done again, to be sure"]
        if outcome.doubtful:
            _see_that_others_start(worker, job, call)
    rows = [case_row(job, case, outcome) for case in job.cases]
    write_log(worker.context, job, call, outcome, rows[0].state if len(rows) == 1 else None)
    return rows


def _attempt(worker: Worker, job: ContainerJob, call: Call, seconds: float) -> ContainerOutcome:
    """Run a job's container once, and leave nothing of it but its results.

    Raises:
        HostError: the engine makes no volumes for it.
        StoppedError: ``stop`` was set.
    """
    outcome, name = ContainerOutcome(), uuid.uuid4().hex
    labels = {**worker.context.labels, _JOB_LABEL: name, "feta.team": job.team.name, "feta.case": job.label}
    try:
        job_volumes = _volumes(worker, call)
        _watch(worker, job, call, job_volumes, labels, seconds, outcome)
        if outcome.ended and not worker.stop.is_set():
            _fetch(worker, job, call, job_volumes, outcome)
    except RefusedError as error:
        outcome.lost = True
        outcome.messages.append(f"the engine: {error}")
    finally:
        worker.engine.remove_labelled(f"{_JOB_LABEL}={name}")
    if worker.stop.is_set():
        raise StoppedError
    return outcome


def _volumes(worker: Worker, call: Call) -> JobVolumes:
    """Fresh volumes, in which no team has a part.

    Raises:
        HostError: the engine makes none.
    """
    with _ours("makes no volumes for results"):
        return worker.volumes.give(call, worker.context.folders.staged)


@contextmanager
def _ours(problem: str) -> Iterator[None]:
    """What is refused here is asked for by us alone: no team has a part in it."""
    try:
        yield
    except RefusedError as error:
        remedy = f"see to the engine, or to what the roster allows; {_CONTINUES}"
        raise HostError("container engine", f"{problem} ({error})", remedy) from error


def _watch(
    worker: Worker,
    job: ContainerJob,
    call: Call,
    job_volumes: JobVolumes,
    labels: dict[str, str],
    seconds: float,
    outcome: ContainerOutcome,
) -> None:
    """The submission's container, from its start to its removal."""
    engine, image_id = worker.engine, worker.context.images[job.team.name]
    arguments = _arguments(worker, job, call, job_volumes, labels, image_id, engine.declared_volumes(image_id))
    if worker.stop.is_set():
        return
    container = engine.start(arguments)
    if not _wait(engine, container, seconds, outcome):
        outcome.limited = True
        outcome.messages.append(f"ended after {seconds:.0f} s, when it had {engine.usage(container) or 'just ended'}")
        engine.kill(container)
        engine.wait(container, _KILLED_SECONDS)
    outcome.ended = engine.ended(container)
    outcome.printed = engine.log(container)
    engine.remove(container)


def _wait(engine: Engine, container: str, seconds: float, outcome: ContainerOutcome) -> bool:
    """As ``Engine.wait``, and from time to time a look at the memory: the engine keeps no highest value."""
    begun, spent, pause = time.monotonic(), 0.0, _FIRST_LOOK_SECONDS
    while not engine.wait(container, min(pause, seconds - spent)):
        spent = max(spent + pause, time.monotonic() - begun)
        if spent >= seconds:
            return False
        pause = min(2 * pause, _SECONDS_BETWEEN_LOOKS)
        # What can't be told now is not worth the run.
        with suppress(RefusedError):
            outcome.memory = max(outcome.memory, (engine.load(container) or (0, 0))[1])
    return True


def _arguments(
    worker: Worker,
    job: ContainerJob,
    call: Call,
    job_volumes: JobVolumes,
    labels: dict[str, str],
    image_id: str,
    declared: Sequence[str],
) -> dict[str, Any]:
    """What the engine is told: the team's rules, whichever image it is for, with volumes for the team's own folders.

    Raises:
        HostError: the engine makes no such volumes.
        RefusedError: the image asks for too many.
    """
    context, user = worker.context, worker.context.user(job.team)
    places = list(job_volumes.places)
    own = own_folders(job.team, places, declared)
    if len(own) > _MOST_FOLDERS:
        raise RefusedError(f"{len(own)} folders to be written to, {_MOST_FOLDERS} at most: fewer VOLUME in the image")
    for path in own:
        name = f"feta-{uuid.uuid4().hex}"
        volume = folder_arguments(name, context.offers.first_id + user, context.limits, labels)
        with _ours("makes no volumes"):
            worker.engine.make_volume(volume)
        places.append(Place(name, path, is_volume=True, read_only=False))
    return container_arguments(
        job.team, context.limits, call, places,
        image_id=image_id, labels=labels, user=user, offers=context.offers, gpu=worker.gpu,
    )  # fmt: skip


def _see_that_others_start(worker: Worker, job: ContainerJob, call: Call) -> None:
    """What hinders every container (a full disk, say) is not recorded as a team's: the job is to be done again.

    The helper's image is started in the team's place: with its mounts, limits and account, but without what its image
    asks for.

    Raises:
        GoneError: the team's image is gone.
        HostError: the engine starts no container of ours either.
    """
    engine, context = worker.engine, worker.context
    engine.image_id(context.images[job.team.name])
    volumes, name = _volumes(worker, call), uuid.uuid4().hex
    labels = {**context.labels, _JOB_LABEL: name}
    try:
        arguments = _arguments(worker, job, call, volumes, labels, context.helper_id, ())
        with _ours(f"starts no container of ours in {job.team.name}'s place"):
            engine.start({**arguments, **SLEEPING})
    finally:
        engine.remove_labelled(f"{_JOB_LABEL}={name}")


def _see_that_they_were_held(worker: Worker, job: ContainerJob, job_volumes: JobVolumes) -> None:
    """With the container that holds them results are gone: an engine that ends, say, ended both.

    Raises:
        FetaError: it is gone.
    """
    if not worker.stop.is_set() and not worker.volumes.keeps(job_volumes):
        said = "the container that held results has ended"
        raise FetaError(job.team.name, said, f"see that helper_image has `sleep`, and the engine runs; {_CONTINUES}")


def _fetch(worker: Worker, job: ContainerJob, call: Call, job_volumes: JobVolumes, outcome: ContainerOutcome) -> None:
    """Results out of the volume, which a container of ours holds: the submission's container is gone already."""
    folders = worker.context.folders
    with _private(folders.unpacked) as private:
        folder = private / "team" / call.prefix
        folder.mkdir(parents=True)
        try:
            with closing(worker.volumes.fetch(job_volumes)) as blocks:
                fetched = unpack(blocks, folder, worker.context.limits)
        finally:
            _see_that_they_were_held(worker, job, job_volumes)
        worker.volumes.used(fetched.size)
        team = folders.submissions / job.team.name
        outcome.mapped, messages = collect(private / "team", job.cases, worker.context.cases, team)
    outcome.full = fetched.full
    outcome.messages += [*fetched.messages, *messages]


@contextmanager
def _private(parent: Path) -> Iterator[Path]:
    """A folder for as long as it is needed.

    Raises:
        FetaError: it can't be made, or made use of.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise FetaError(
            parent, f"can't be written ({error.strerror})", f"see that there is room; {_CONTINUES}"
        ) from error
