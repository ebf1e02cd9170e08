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
from evaluation.harness.conventions import Call, Job, case_id, make_call
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
class _Course:
    """What is known of a container up to now.

    Attributes:
        ended: None where it never started.
        limited: it was ended by us when its time was up.
        full: it used up the space for results.
        mapped: ids of cases with a label map.
        notes: in our own words, or with names of files: for the organizer's log.
        printed: the container's own words, likewise.
    """

    ended: Ended | None = None
    limited: bool = False
    full: bool = False
    mapped: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    printed: bytes = b""


@dataclass(frozen=True)
class Worker:
    """What runs a team's jobs, in one thread.

    Attributes:
        gpu: id of the GPU; None for the CPU.
        stop: when set and its container is killed, a job ends unrecorded.
    """

    engine: Engine
    setting: RunContext
    holder: ResultVolumes
    gpu: str | None
    stop: Event


def run_job(worker: Worker, job: Job, seconds: float) -> list[CaseRow]:
    """Run a job, put its results into the team's folder and its log beside, and say how each case ended.

    Args:
        seconds: wall clock that it may take.

    Raises:
        GoneError: the team's image is gone.
        FetaError: the engine is gone, or a folder of ours can't be written. Nothing is recorded then.
        StoppedError: ``stop`` was set.
    """
    course, call, name = _Course(), make_call(job), uuid.uuid4().hex
    run_id = worker.setting.run_id
    labels = {RUN_LABEL: run_id, _JOB_LABEL: name, "feta.team": job.team.name, "feta.case": job.label}
    try:
        held = worker.holder.give(call)
        _watch(worker, job, call, held, labels, seconds, course)
        if course.ended and not worker.stop.is_set():
            _fetch(worker, job, call, held, course)
    except RefusedError as error:
        course.notes.append(f"the engine: {error}")
    finally:
        worker.engine.remove_labelled(f"{_JOB_LABEL}={name}")
    if worker.stop.is_set():
        raise StoppedError
    if course.ended is None:
        _see_that_others_start(worker, job)
    rows = [_row(job, case, course) for case in job.cases]
    _write_log(worker.setting, job, call, course, rows[0].state if len(rows) == 1 else None)
    return rows


def _watch(
    worker: Worker, job: Job, call: Call, held: JobVolumes, labels: dict[str, str], seconds: float, course: _Course
) -> None:
    """The submission's container, from its start to its removal."""
    engine, image_id = worker.engine, worker.setting.images[job.team.name]
    arguments = container_arguments(
        job.team, worker.setting.limits, call, held.places,
        image_id=image_id, labels=labels, gpu=worker.gpu, declared=engine.declared_volumes(image_id),
    )  # fmt: skip
    if worker.stop.is_set():
        return
    container = engine.start(arguments)
    if not engine.wait(container, seconds):
        course.limited = True
        course.notes.append(f"ended after {seconds:.0f} s, when it had {engine.usage(container) or 'just ended'}")
        engine.kill(container)
        engine.wait(container, _KILLED_SECONDS)
    course.ended = engine.ended(container)
    course.printed = engine.log(container)
    engine.remove(container)


def _see_that_others_start(worker: Worker, job: Job) -> None:
    """What hinders every container (a full disk, say) is not recorded as a team's: the job is to be done again.

    Raises:
        GoneError: the team's image is gone.
        FetaError: the engine starts no container of ours either.
    """
    engine, labels = worker.engine, {RUN_LABEL: worker.setting.run_id}
    engine.image_id(worker.setting.images[job.team.name])
    try:
        engine.remove(engine.start(helper_arguments(worker.setting.helper_id, (), labels)))
    except RefusedError as error:
        raise FetaError("container engine", f"starts no container of ours ({error})", _GOES_ON) from error


def _see_that_they_were_held(worker: Worker, job: Job, held: JobVolumes) -> None:
    """With the container that holds them results are gone: an engine that ends, say, ended both.

    Raises:
        FetaError: it is gone.
    """
    if not worker.stop.is_set() and not worker.holder.keeps(held):
        said = "the container that held results has ended"
        raise FetaError(job.team.name, said, f"see that helper_image has `sleep`, and the engine runs; {_GOES_ON}")


def _fetch(worker: Worker, job: Job, call: Call, held: JobVolumes, course: _Course) -> None:
    """Results out of the volume, which the holder keeps: the submission's container is gone already."""
    folders = worker.setting.folders
    with _private(folders.unpacked) as private:
        folder = private / "team" / call.prefix
        folder.mkdir(parents=True)
        try:
            with closing(worker.holder.fetch(held)) as blocks:
                fetched = unpack(blocks, folder, worker.setting.limits)
        finally:
            _see_that_they_were_held(worker, job, held)
        worker.holder.used(fetched.size)
        team = folders.submissions / job.team.name
        course.mapped, notes = collect(private / "team", job.cases, worker.setting.cases, team)
    course.full = fetched.full
    course.notes += [*fetched.notes, *notes]


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


def _row(job: Job, case: Case, course: _Course) -> CaseRow:
    state = case_state(course.ended, course.limited, course.full, case_id(case) in course.mapped, len(job.cases) == 1)
    seconds = course.ended.seconds / len(job.cases) if course.ended else 0.0
    code = course.ended.exit_code if course.ended else None
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


def _write_log(setting: RunContext, job: Job, call: Call, course: _Course, state: CaseState | None) -> None:
    """What the organizer may want to know; never a part of the report, since it can hold test data."""
    kept = course.printed[-setting.limits.log_kb * 1024 :]
    how = course.ended
    ended = f"exit status {how.exit_code} after {how.seconds:.1f} s" if how else "not started"
    lines = [
        f"team: {job.team.name}",
        f"case: {job.label}",
        f"image: {job.team.image} ({setting.images[job.team.name]})",
        f"command: {json.dumps(call.command)} {json.dumps(call.environment)}",
        f"exceptions: {', '.join(job.team.exceptions.named()) or 'none'}",
        f"ended: {ended}{f', {state}' if state else f', label maps of {len(course.mapped)} of {len(job.cases)} cases'}",
        *(f"note: {line}" for line in course.notes),
        f"--- what it printed, the last {setting.limits.log_kb} KB at most ---",
    ]
    text = "\n".join([*map(_plain, lines), _plain(kept.decode("utf-8", "replace"))])
    write_atomically(log_path(setting.folders, job), text.rstrip("\n") + "\n")


def _plain(text: str) -> str:
    """Text without what would move a terminal's cursor."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
