"""What a worker sent back, written where the evaluator looks for it; whatever else it sent is refused."""

from __future__ import annotations

from evaluation.cluster.request import JobResult
from evaluation.harness.collect import remove_results
from evaluation.harness.context import RunContext, log_path
from evaluation.harness.conventions import ContainerJob, case_id
from feta.cases import biometry_path, label_map_path
from feta.errors import FetaError
from feta.files import write_atomically, write_together


def write_results(context: RunContext, job: ContainerJob, answer: JobResult) -> None:
    """Results in place of whatever an earlier attempt left, and the log.

    Raises:
        FetaError: they can't be written, or are not what was asked for.
    """
    team = job.team.name
    folder = context.folders.submissions / team
    expected = {path for case in job.cases for path in (label_map_path(folder, case), biometry_path(folder, case))}
    cases = {(team, case_id(case)) for case in job.cases}
    if not {folder / name for name in answer.files} <= expected or {(r.team, r.case) for r in answer.rows} != cases:
        raise FetaError(answer.worker, f"answers what nobody asked for ({team}: {job.label})", "end that worker")
    remove_results(job.cases, folder)
    if answer.files:
        write_together({folder / name: data for name, data in answer.files.items()})
    write_atomically(log_path(context.folders, job), answer.log)
