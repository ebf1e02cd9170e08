"""``feta-infer BIDS OUT group``: what concerns all participants, once each of them was done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from feta.bids import some_names
from feta.errors import FetaError
from inference.runs.outputs import CaseJob
from inference.runs.record import read_record
from inference.runs.run import summarise_folder
from inference.runs.run_state import ALL_FINE, SOME_FAILED


def summarise(bids: Path, output: Path, jobs: Sequence[CaseJob]) -> int:
    """Say which cases are missing, and build what concerns all that are there.

    Args:
        bids: the data set.
        output: the folder that ``participant`` wrote to.
        jobs: all cases, and what each of them has when it is finished.

    Returns:
        exit status: 1 where a case is missing.

    Raises:
        FetaError: no case is finished.
    """
    finished = [job for job in jobs if is_finished(job)]
    if not finished:
        problem = f"holds no finished result of {bids}"
        raise FetaError(output, problem, f"run feta-infer {bids} {output} participant first")
    missing = [job.title for job in jobs if job not in finished]
    for title in missing:
        print(f"error: {title}: has no result; 'participant' does it", file=sys.stderr)
    summarise_folder(output)
    print(f"group: {len(finished)} of {len(jobs)} cases" + (f", without {some_names(missing)}" if missing else ""))
    return SOME_FAILED if missing else ALL_FINE


def is_finished(job: CaseJob) -> bool:
    """Whether a case has its record, and all files that were written with it."""
    record = read_record(job.record) if job.record else None
    if record is None:
        return False
    # Pictures and landmarks are as the call of ``participant`` wanted them.
    written = [path for path in job.outputs if record.files.get(path.name)]
    return job.label_map in written and all(map(Path.is_file, written))
