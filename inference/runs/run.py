"""All cases of a run: the networks are loaded once, finished cases are skipped, a bad case stops no other."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feta.errors import FetaError, HostError
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import fingerprint
from inference.biometry.lengths import Length, Measuring
from inference.runs.case import Result, process
from inference.runs.models import Loader, Models, load_models
from inference.runs.outputs import CaseJob
from inference.runs.progress import Reporter, reporter
from inference.runs.record import Record, checksums, finished, write_record
from inference.runs.run_log import NAME, RunLog
from inference.runs.settings import Settings

ALL_FINE, SOME_FAILED, UNUSABLE = 0, 1, 2


@dataclass
class Run:
    """A run in progress: its settings, its log, and the networks once they are needed."""

    settings: Settings
    log: RunLog
    report: Reporter
    load: Loader
    measuring: Measuring
    key: dict[str, Any]
    lengths: dict[str, dict[Measurement, Length]] = field(default_factory=dict)
    status: int = ALL_FINE
    _models: Models | None = None

    def models(self) -> Models:
        """The networks, loaded at the first call."""
        if self._models is None:
            self._models = self.load(self.settings)
            self.log.device = self._models.device
            self.warn(self._models.warnings)
        return self._models

    def warn(self, lines: Iterable[str]) -> None:
        """Warn about the run as a whole."""
        lines = tuple(lines)
        self.log.warn(lines)
        for line in lines:
            self.report.line(f"warning: {line}")

    def fail(self, title: str, error: Exception, seconds: float = 0.0) -> None:
        """Note a failed case; a bug also shows its traceback."""
        self.status = SOME_FAILED
        message = describe(error)
        if not isinstance(error, FetaError | MemoryError):
            self.report.line("".join(traceback.format_exception(error)).rstrip())
        self.report.line(f"error: {message}")
        self.log.add(title, status="failed", seconds=round(seconds, 2), error=message)


def run(
    jobs: Sequence[CaseJob],
    settings: Settings,
    *,
    root: Path | None = None,
    warnings: Iterable[str] = (),
    problems: Iterable[FetaError] = (),
    load: Loader | None = None,
) -> tuple[int, dict[str, dict[Measurement, Length]]]:
    """Do every case that is not finished.

    Args:
        jobs: cases and what to write for each.
        settings: of the run.
        root: folder for run.json; None writes none.
        warnings: about the input as a whole.
        problems: files of the input that can't be used; each counts as a failed case.
        load: loads the networks, ``load_models`` by default.

    Returns:
        exit status, and the lengths of each case that did not fail, by title.

    Raises:
        FetaError: no usable model, device or output folder.
    """
    settings.check()
    measuring, key = settings.measuring(), settings.result_key()
    log = RunLog(None if root is None else root / NAME, settings.described())
    log.write()
    with reporter(len(jobs)) as report:
        state = Run(settings, log, report, load or load_models, measuring, key)
        state.warn(warnings)
        for problem in problems:
            state.fail(problem.subject, problem)
        claimed: dict[Path, str] = {}
        for job in jobs:
            _one(state, job, claimed)
        log.finished = True
        log.write()
    return state.status, state.lengths


def _one(state: Run, job: CaseJob, claimed: dict[Path, str]) -> None:
    """Do one case, whatever becomes of it."""
    state.report.start(job.title)
    began = time.monotonic()
    for line in job.case.warnings:
        state.report.line(f"warning: {line}")
    if job.case.age_is_impossible:
        state.status = SOME_FAILED
    earlier = job.record is not None and job.record.is_file()
    try:
        _claim(job, claimed)
        key = {**state.key, "input": fingerprint(job.case.image), "age": job.case.age}
        record = None if state.settings.overwrite else finished(job, key)
        if record is not None:
            _note(state, job, record, "skipped")
            state.report.done(job.title, "already finished")
            return
        record = _work(state, job, key, began)
    except ModelError as error:
        raise error.cause from error
    except HostError:  # not this case's fault, and every other would fail alike
        raise
    except Exception as error:  # one bad case never stops the others
        state.fail(job.title, error, time.monotonic() - began)
        if earlier:
            _withdraw(state, job)
        state.report.done(job.title, "failed")
    else:
        _note(state, job, record, "done")
        state.report.done(job.title, "done")


def _withdraw(state: Run, job: CaseJob) -> None:
    """Remove an earlier run's result of another input, which by its name would be taken for this one's."""
    try:
        for path in (*job.outputs, *([job.record] if job.record else [])):
            _remove(path)
    except FetaError as error:
        state.report.line(f"error: {error}")
    else:
        state.report.line(f"warning: {job.title}: its earlier result, of another input, was removed")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FetaError(path, f"cannot be removed ({error.strerror})", "make the output folder writable") from error


class ModelError(Exception):
    """The model can't be loaded, which no other case will change."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _work(state: Run, job: CaseJob, key: dict[str, Any], began: float) -> Record:
    """Do a case and leave its record."""
    if job.record is not None:
        _remove(job.record)
    try:
        models = state.models()
    except Exception as error:
        raise ModelError(error) from error
    result = process(job, models, state.measuring)
    state.lengths[job.title] = result.lengths
    record = _record(job, key, result, time.monotonic() - began)
    if job.record is not None:
        write_record(job.record, record)
    for line in result.warnings:
        state.report.line(f"warning: {job.title}: {line}")
    return record


def _record(job: CaseJob, key: dict[str, Any], result: Result, seconds: float) -> Record:
    known = {m: length for m, length in result.lengths.items() if length.value is not None}
    return Record(
        key=key,
        files=checksums(job) or {},
        seconds=round(seconds, 2),
        lengths={m: round(length.value, 3) for m, length in known.items() if length.value is not None},
        sources={m: length.source for m, length in known.items()},
        warnings=(*job.case.warnings, *result.warnings),
    )


def _note(state: Run, job: CaseJob, record: Record, status: str) -> None:
    lengths = {m: Length(record.lengths.get(m), record.sources.get(m, "")) for m in MEASUREMENTS}
    state.lengths.setdefault(job.title, lengths)
    state.log.add(
        job.title,
        status=status,
        seconds=record.seconds,
        age=job.case.age,
        lengths=record.lengths,
        sources=record.sources,
        warnings=record.warnings,
    )


def _claim(job: CaseJob, claimed: dict[Path, str]) -> None:
    """Refuse a case whose files another case of this run has already written."""
    for path in job.outputs:
        if path in claimed:
            raise FetaError(job.case.image, f"would overwrite the result of {claimed[path]}", "rename one of the two")
    claimed.update(dict.fromkeys(job.outputs, job.case.image.name))


def describe(error: Exception) -> str:
    """One line for the user."""
    if isinstance(error, FetaError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "not enough memory for this case; free some, or use --device cpu"
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
