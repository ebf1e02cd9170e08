"""What the forms share: what is written by the layout, and the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feta.cases import CaseList
from feta.errors import FetaError
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.derivatives.dataset_description import describe_dataset
from inference.derivatives.layout import Layout
from inference.runs.outputs import CaseJob, Looks, bids_jobs, folder_jobs
from inference.runs.run import run
from inference.runs.settings import Settings


def jobs_of(
    found: CaseList, root: Path, layout: Layout, looks: Looks, *, landmarks: bool = False, soft: bool = False
) -> list[CaseJob]:
    """What to write for each case, by the layout.

    Raises:
        FetaError: a volume doesn't lie in a BIDS tree, and BIDS names were asked for.
    """
    if layout is Layout.BIDS:
        return bids_jobs(found.cases, root, looks, landmarks=landmarks, soft=soft)
    if soft:
        raise FetaError("--probseg", "has a name in BIDS alone", "leave out --layout challenge")
    return folder_jobs(found.cases, root, looks, landmarks=landmarks)


def describe_results(layout: Layout, root: Path, source: Path, settings: Settings) -> None:
    """Write what describes a folder of results where the layout asks for it, unless the call can't be used anyway.

    Raises:
        FetaError: the folder can't be written, or the settings can't be used.
    """
    if layout is Layout.BIDS:
        settings.result_key()
        describe_dataset(root, source)


def run_jobs(
    found: CaseList, jobs: Sequence[CaseJob], settings: Settings, root: Path | None
) -> tuple[int, dict[str, dict[Measurement, Length]]]:
    """Do the jobs of what was found in an input.

    Args:
        found: warnings and problems are told and counted.
        jobs: what to do.
        settings: of the run.
        root: folder for run.json; None writes none.

    Returns:
        exit status, and the lengths of each case that did not fail, by title.

    Raises:
        FetaError: there is nothing to do, or no usable model, device or output folder.
    """
    if not jobs and not found.problems:
        raise FetaError("INPUT", "holds no volume", "*_T2w.nii.gz, .nii.gz or .nii are looked for")
    return run(jobs, settings, root=root, warnings=found.warnings, problems=found.problems)
