"""One container from beginning to end: made, watched, ended, its results fetched, and nothing of it left."""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from evaluation.harness.collect import collect, unpack
from evaluation.harness.container_spec import container_arguments, helper_arguments
from evaluation.harness.context import RUN_LABEL, RunContext, log_path
from evaluation.harness.conventions import Call, ContainerJob, case_id, make_call
from evaluation.harness.engine import Ended, Engine, RefusedError
from evaluation.harness.state import CaseRow, CaseState
from evaluation.harness.volumes import JobVolumes, ResultVolumes
from feta.cases import Case
from feta.errors import FetaError
from feta.files import write_atomically

_JOB_LABEL = "feta.job"
_UNPRINTABLE = re.compile(r"[^\n\t\x20-\x7e\u00a0-\u2027\u2030-\u2065\u206a-\ud7ff\ue000-\U0010ffff]")
_KILLED_SECONDS = 60.0
_GOES_ON = "the same command goes on where it was"


class StoppedError(Exception):
    """The harness is to end: what was running is not to be recorded."""


@dataclass
class ContainerOutcome:
    """What is known of a container up to now.

    Attributes:
        ended: None where it never started.
        limited: it was ended by us when its time was up.
        full: it used up the space for results.
        mapped: ids of cases with a label map.
        messages: in our own words, or with names of files: for the organizer's log.
        printed: the container's own words, likewise.
    """

    ended: Ended | None = None
    limited: bool = False
    full: bool = False
    mapped: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    printed: bytes = b""


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
    outcome, call, name = ContainerOutcome(), make_call(job), uuid.uuid4().hex
    run_id = worker.context.run_id
    labels = {RUN_LABEL: run_id, _JOB_LABEL: name, "feta.team": job.team.name, "feta.case": job.label}
    try:
        job_volumes = worker.volumes.give(call)
        _watch(worker, job, call, job_volumes, labels, seconds, outcome)
        if outcome.ended and not worker.stop.is_set():
            _fetch(worker, job, call, job_volumes, outcome)
    except RefusedError as error:
        outcome.messages.append(f"the engine: {error}")
    finally:
        worker.engine.remove_labelled(f"{_JOB_LABEL}={name}")
    if worker.stop.is_set():
        raise StoppedError
    if outcome.ended is None:
        _see_that_others_start(worker, job)
    rows = [_row(job, case, outcome) for case in job.cases]
    _write_log(worker.context, job, call, outcome, rows[0].state if len(rows) == 1 else None)
    return rows


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
    arguments = container_arguments(
        job.team, worker.context.limits, call, job_volumes.places,
        image_id=image_id, labels=labels, gpu=worker.gpu, declared=engine.declared_volumes(image_id),
    )  # fmt: skip
    if worker.stop.is_set():
        return
    container = engine.start(arguments)
    if not engine.wait(container, seconds):
        outcome.limited = True
        outcome.messages.append(f"ended after {seconds:.0f} s, when it had {engine.usage(container) or 'just ended'}")
        engine.kill(container)
        engine.wait(container, _KILLED_SECONDS)
    outcome.ended = engine.ended(container)
    outcome.printed = engine.log(container)
    engine.remove(container)


def _see_that_others_start(worker: Worker, job: ContainerJob) -> None:
    """What hinders every container (a full disk, say) is not recorded as a team's: the job is to be done again.

    Raises:
        GoneError: the team's image is gone.
        FetaError: the engine starts no container of ours either.
    """
    engine, labels = worker.engine, {RUN_LABEL: worker.context.run_id}
    engine.image_id(worker.context.images[job.team.name])
    try:
        engine.remove(engine.start(helper_arguments(worker.context.helper_id, (), labels)))
    except RefusedError as error:
        raise FetaError("container engine", f"starts no container of ours ({error})", _GOES_ON) from error


def _see_that_they_were_held(worker: Worker, job: ContainerJob, job_volumes: JobVolumes) -> None:
    """With the container that holds them results are gone: an engine that ends, say, ended both.

    Raises:
        FetaError: it is gone.
    """
    if not worker.stop.is_set() and not worker.volumes.keeps(job_volumes):
        said = "the container that held results has ended"
        raise FetaError(job.team.name, said, f"see that helper_image has `sleep`, and the engine runs; {_GOES_ON}")


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
            parent, f"can't be written ({error.strerror})", f"see that there is room; {_GOES_ON}"
        ) from error


def _row(job: ContainerJob, case: Case, outcome: ContainerOutcome) -> CaseRow:
    state = case_state(
        outcome.ended, outcome.limited, outcome.full, case_id(case) in outcome.mapped, len(job.cases) == 1
    )
    seconds = outcome.ended.seconds / len(job.cases) if outcome.ended else 0.0
    code = outcome.ended.exit_code if outcome.ended else None
    return CaseRow(job.team.name, case_id(case), state, seconds=seconds, exit_code=code)


def case_state(ended: Ended | None, limited: bool, full: bool, mapped: bool, alone: bool) -> CaseState:
    """How a case ended.

    Args:
        ended: how its container ended; None where it never started.
        limited: its time was up.
        full: the space for results was used up.
        mapped: there is a label map of the case. It counts however the container ended; in a call for all cases
            it is all that matters.
        alone: the container was for this case alone.
    """
    if ended is None:
        return CaseState.NOT_STARTED
    if mapped and (not alone or not (limited or full or ended.exit_code)):
        return CaseState.DONE
    if limited:
        return CaseState.TIMED_OUT
    if ended.out_of_memory:
        return CaseState.OUT_OF_MEMORY
    if full:
        return CaseState.OUTPUT_FULL
    return CaseState.CRASHED if ended.exit_code else CaseState.NO_RESULT


def _write_log(
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
