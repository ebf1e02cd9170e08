"""Writes a simulated cohort in the challenge's layout, wherever its anatomy comes from.

``OUT/input`` is what participants get, ``OUT/truth`` what the evaluator scores against. The
same settings give the same bytes; finished cases are left as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.files import write_atomically
from feta.grid import Grid
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS, Measurement
from feta.volumes import Volume, write_label_map, write_volume
from training.data.provenance import write_source_subjects
from training.scanner.case_plan import CasePlan, Maker
from training.scanner.processes import in_processes

#: What BIDS asks of a data set.
_DESCRIPTION = {"Name": "Simulated fetal brain MRI", "BIDSVersion": "1.10.1", "DatasetType": "raw"}


def write_cohort(
    out: Path, plans: Sequence[CasePlan], make: Maker, settings: Mapping[str, object], jobs: int
) -> Iterator[tuple[CasePlan, bool]]:
    """Write a cohort, yielding each case as it is finished, with whether it had to be drawn.

    Args:
        out: gets ``input``, ``truth`` and ``cohort.json``.
        plans: the cases.
        make: draws one.
        settings: all that the cohort depends on; a folder made with others is refused.
        jobs: processes.

    Raises:
        FetaError: the folder holds another cohort, or can't be written.
    """
    _claim(out, settings)
    lengths: dict[str, Mapping[Measurement, float]] = {}
    missing = [plan for plan in plans if not _is_finished(out, plan)]
    for plan in plans:
        if plan not in missing:
            lengths[plan.subject] = _read_lengths(out, plan)
            yield plan, False
    # The largest brains first: they take longest, and nobody is to wait for one of them at the end.
    largest_first = sorted(missing, key=lambda plan: -plan.age)
    for plan, found in in_processes(partial(_draw, out, make), largest_first, jobs):
        lengths[plan.subject] = found
        yield plan, True
    rows = ["\t".join(["participant_id", *MEASUREMENTS])]
    rows += ["\t".join([p.subject, *(f"{lengths[p.subject][m]:.4f}" for m in MEASUREMENTS)]) for p in plans]
    write_atomically(out / "truth" / "derivatives" / "biometry" / "biometry.tsv", "\n".join(rows) + "\n")
    write_atomically(out / "input" / "dataset_description.json", json.dumps(_DESCRIPTION, indent=1) + "\n")
    # Last of all: a truth with this table is complete.
    for root in (out / "input", out / "truth"):
        write_atomically(root / "participants.tsv", _participants(plans))


def _claim(out: Path, settings: Mapping[str, object]) -> None:
    """Keep what the cohort depends on beside it, and refuse to mix two cohorts."""
    note = out / "cohort.json"
    text = json.dumps(dict(settings), indent=1, sort_keys=True) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = note.read_text() if note.exists() else None
    except OSError as error:
        raise FetaError(out, f"cannot be written ({error.strerror})") from error
    if before is None and any((out / part).exists() for part in ("input", "truth")):
        raise FetaError(out, "holds an input or truth folder that no simulation made", "name another folder")
    if before not in (None, text):
        raise FetaError(out, "holds a cohort made with other settings", "name another folder, or remove it")
    write_atomically(note, text)


def _participants(plans: Sequence[CasePlan]) -> str:
    head = "participant_id\tPathology\tGestational age\tSite\tReconstruction\tField strength\tImage quality\tIn domain"
    rows = [head]
    for plan in plans:
        site = plan.site
        pathology = "Pathological" if plan.pathological else "Neurotypical"
        domain = "yes" if site.in_domain else "no"
        cells = [plan.subject, pathology, plan.age, site.name, site.reconstruction, site.field_strength]
        rows.append("\t".join(map(str, [*cells, plan.quality, domain])))
    return "\n".join(rows) + "\n"


def _files(out: Path, plan: CasePlan) -> tuple[Path, Path, Path, Path]:
    """Image, label map, landmarks and lengths of a case."""
    folder = Path(plan.subject) / "anat"
    biometry = out / "truth" / "derivatives" / "biometry" / folder
    return (
        out / "input" / folder / f"{plan.stem}_T2w.nii.gz",
        out / "truth" / folder / f"{plan.stem}_T2w_dseg.nii.gz",
        biometry / f"{plan.stem}_meas.nii.gz",
        biometry / f"{plan.stem}_meas.json",
    )


def _is_finished(out: Path, plan: CasePlan) -> bool:
    return all(path.exists() for path in _files(out, plan))


def _read_lengths(out: Path, plan: CasePlan) -> dict[Measurement, float]:
    path = _files(out, plan)[3]
    try:
        stored = json.loads(path.read_text())
        return {measurement: float(stored[measurement]) for measurement in MEASUREMENTS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FetaError(path, "does not hold the case's five lengths", "remove it: the case is drawn again") from error


def _draw(out: Path, make: Maker, plan: CasePlan) -> dict[Measurement, float]:
    """Draw one case and write it; its lengths come last, so that they say that it is complete."""
    case = make(plan)
    image, labels, landmarks, lengths = _files(out, plan)
    write_volume(image, case.image)
    if case.source_subjects:  # with the truth: no participant needs to know
        write_source_subjects(labels.with_name(image.name), case.source_subjects, **case.findings)
    write_label_map(labels, case.labels)
    write_label_map(landmarks, landmark_map(case.landmarks, case.labels.grid))
    found = {measurement: float(case.lengths[measurement]) for measurement in MEASUREMENTS}
    write_atomically(lengths, json.dumps(found, indent=1) + "\n")
    return found


def landmark_map(landmarks: Mapping[Measurement, npt.NDArray[np.float64]], grid: Grid) -> Volume:
    """Two voxels for each length, at its ends."""
    marks = np.zeros(grid.shape, np.uint8)
    inverse = np.linalg.inv(grid.affine())
    for measurement, ends in landmarks.items():
        for end in ends:
            x, y, z = np.clip(np.rint(inverse[:3, :3] @ end + inverse[:3, 3]), 0, np.subtract(grid.size, 1)).astype(int)
            marks[z, y, x] = LANDMARK_LABELS[measurement]
    return Volume(marks, grid)
