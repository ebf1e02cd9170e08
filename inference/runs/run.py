"""All cases of a run: the networks are loaded once, finished cases are skipped, a bad case stops no other."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Any

from feta.errors import FetaError, HostError
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import fingerprint
from inference.biometry.lengths import Length
from inference.derivatives.cohort import write_cohort
from inference.derivatives.label_tables import write_label_tables
from inference.runs.at_once import AtOnce, CaseWork, Steps
from inference.runs.case import Result
from inference.runs.claims import Claims
from inference.runs.looks import COHORT_PAGE, write_cohort_look
from inference.runs.models import Loader, load_models
from inference.runs.outputs import CaseJob
from inference.runs.progress import reporter
from inference.runs.record import Record, checksums, finished, read_record, write_record
from inference.runs.run_log import NAME, RunLog
from inference.runs.run_state import SOME_FAILED, Run
from inference.runs.settings import Settings


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
    work, key = CaseWork(settings, load or load_models), settings.result_key()
    with Claims.on(root) as claims:
        titles = [job.title for job in jobs]
        log = RunLog(None if root is None else root / NAME, settings.described(), claims, titles)
        log.write()
        with reporter(len(jobs)) as report:
            state = Run(settings, log, report, key)
            state.warn(warnings)
            for problem in problems:
                state.fail(problem.subject, problem)
            with AtOnce(state, work, len(jobs)) as cases:
                _all(state, jobs, claims, cases)
            log.finish()
            if root is not None and any(job.sizes for job in jobs):
                write_label_tables(root)
                with claims.log():  # one process after the other: the last of them knows all cases
                    write_cohort(root, log.known())
                    if any(job.report for job in jobs) or (root / COHORT_PAGE).is_file():  # never an outdated one
                        for line in write_cohort_look(root):
                            report.line(f"warning: {line}")
    return state.status, state.lengths


def summarise_folder(root: Path) -> None:
    """Write the table of all cases of an output folder anew, from what run.json and the cases' own tables hold.

    Raises:
        FetaError: it can't be written.
    """
    with Claims.on(root) as claims, claims.log():
        write_cohort(root, RunLog(root / NAME, {}, claims).known())


def _all(state: Run, jobs: Sequence[CaseJob], claims: Claims, cases: AtOnce) -> None:
    """Do each case that no other process has; then wait for those, and do what one that was killed has left."""
    owners: dict[Path, CaseJob] = {}
    for job in jobs:
        for path in job.outputs:
            owners.setdefault(path, job)
    elsewhere: list[CaseJob] = []

    def steps(job: CaseJob, *, wait: bool = False) -> Steps:
        # One that is refused since it would overwrite another has that one's claim, which is not its own to give up.
        owner = owners[job.outputs[0]] is job
        with claims.claim(_name(job), wait=wait) if owner else nullcontext(True) as mine:
            if mine:
                yield from _one(state, job, owners)
            else:
                elsewhere.append(job)

    for job, following in zip_longest(jobs, jobs[1:]):
        cases.add(steps(job), None if following is None or following.given else following.case.image)
    for job in tuple(elsewhere):
        elsewhere.clear()
        state.report.line(f"{job.title}: another process has it; waiting")
        cases.add(steps(job))  # it may be free by now
        if elsewhere:
            cases.finish()  # whoever waits has nothing that others wait for
            cases.add(steps(job, wait=True))
    cases.finish()


def _name(job: CaseJob) -> str:
    """What tells a case from all others that write to the same folder: the first of its files, below that folder."""
    return f"{job.case.folder}/{job.outputs[0].name}"


def _one(state: Run, job: CaseJob, owners: dict[Path, CaseJob]) -> Steps:
    """Do one case, whatever becomes of it, unless another process has done it meanwhile."""
    state.report.start(job.title)
    began = time.monotonic()
    for line in job.case.warnings:
        state.report.line(f"warning: {line}")
    if job.case.age_is_impossible:
        state.status = SOME_FAILED
    earlier, now = read_record(job.record) if job.record else None, None
    others = state.log.of_others(job.title) or {}
    if others.get("status") == "failed":
        state.status = SOME_FAILED
        state.report.done(job.title, "failed in another process", worked=False)
        return
    try:
        _refuse_overwriting(job, owners)
        now = fingerprint(job.case.image)
        key = {**state.key, "input": now, "age": job.case.age, **_given(job)}
        record = None if state.settings.overwrite and not others else finished(job, earlier, key)
        if record is not None:
            _note(state, job, record, "skipped")
            state.report.done(job.title, "already finished", record.verdict, worked=False)
            return
        record = yield from _work(state, job, key, began)
        _remove_outdated(job, earlier)
    except HostError:  # not this case's fault, and every other would fail alike
        raise
    except Exception as error:  # one bad case never stops the others
        state.fail(job.title, error, time.monotonic() - began, job.case.age, judged=job.given is None)
        # Of an input that can't be read at the moment nobody knows that it is another.
        if earlier is not None and now is not None and earlier.key.get("input") != now:
            _withdraw(state, job)
        elif earlier is not None:
            state.report.line(f"warning: {job.title}: its earlier result stays as it is")
        state.report.done(job.title, "failed", state.log.cases[job.title].get("verdict", ""))
    else:
        _note(state, job, record, "done")
        state.report.done(job.title, "done", record.verdict)


def _given(job: CaseJob) -> dict[str, Any]:
    """What the result of a given label map depends on, beside its image."""
    if job.given is None:
        return {}
    mapping = None if job.given.mapping is None else {str(k): v for k, v in job.given.mapping.items()}
    return {"labels": fingerprint(job.given.path), "mapping": mapping}


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


def _work(state: Run, job: CaseJob, key: dict[str, Any], began: float) -> Generator[CaseJob, Result, Record]:
    """Have a case done and leave its record."""
    if job.record is not None:
        _remove(job.record)
    result = yield job
    state.lengths[job.title] = result.lengths
    record = _record(job, key, result, time.monotonic() - began)
    if job.record is not None:
        write_record(job.record, record, job.described)
    for line in result.warnings:
        state.report.line(f"warning: {job.title}: {line}")
    return record


def _remove_outdated(job: CaseJob, earlier: Record | None) -> None:
    """Remove what an earlier call wrote of a case and this one doesn't: its numbers are others."""
    written = {path.name for path in job.outputs}
    for name in set(earlier.files if earlier else ()) - written:
        for folder in {path.parent for path in job.outputs}:
            _remove(folder / name)


def _record(job: CaseJob, key: dict[str, Any], result: Result, seconds: float) -> Record:
    known = {m: length for m, length in result.lengths.items() if length.value is not None}
    return Record(
        key=key,
        files=checksums(job) or {},
        seconds=round(seconds, 2),
        lengths={m: round(length.value, 3) for m, length in known.items() if length.value is not None},
        sources={m: length.source for m, length in known.items()},
        warnings=(*job.case.warnings, *result.warnings),
        confidence={} if result.confidence is None else result.confidence.entry(),
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
        **record.confidence,
        **_table(state, job),
    )


def _table(state: Run, job: CaseJob) -> dict[str, str]:
    """Where a case's table of volumes lies below the output folder, for the table of the cohort."""
    root = None if state.log.path is None else state.log.path.parent
    return {"table": job.sizes.relative_to(root).as_posix()} if root is not None and job.sizes is not None else {}


def _refuse_overwriting(job: CaseJob, owners: dict[Path, CaseJob]) -> None:
    """Refuse a case whose files are those of another case before it."""
    other = next((owners[path] for path in job.outputs if owners[path] is not job), None)
    if other is not None:
        problem = f"would overwrite the result of {other.case.image.name}"
        raise FetaError(job.case.image, problem, "rename one of the two")
