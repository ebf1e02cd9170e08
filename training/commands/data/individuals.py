"""``feta-train data individuals``: brains drawn from the learned anatomy, labelled, to train on beside atlases.

No scanner and no surroundings: the synthesis of a training run draws those anew each time
(`training/synthesis/sample.py`).
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import typer

from feta.bids import subject_in
from feta.files import write_atomically
from feta.grid import Grid, transformed
from training.commands.common import (
    HELD_OUT,
    AnatomyWeights,
    Count,
    Findings,
    Jobs,
    Labelled,
    Pathological,
    Seed,
    drawn_files,
    require_anatomy,
)
from training.engine.log import report
from training.scanner.processes import in_processes, prepare, usual_jobs

if TYPE_CHECKING:
    from training.anatomy.head_model import HeadModel
    from training.findings.settings import FindingsSettings

#: mm around the head that are written.
_MARGIN = 4.0
#: The signal has mean 0 and standard deviation 1 in the brain; volumes are stored as whole positive numbers.
_MEAN, _SD = 600.0, 100.0
#: A RAS grid, as the atlases': x to the right and y to the front are negative in LPS.
_RAS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def individuals(
    out: Labelled,
    count: Count = 60,
    seed: Seed = 1,
    anatomy: AnatomyWeights = HELD_OUT,
    spacing: Annotated[float, typer.Option(min=0.4, max=3.0, help="Voxel size, mm.")] = 0.8,
    pathological: Pathological = 0.5,
    findings: Findings = None,
    jobs: Jobs = None,
) -> None:
    """Draw individual brains from the learned anatomy, as T2w signal, label map and landmarks, to train on."""
    require_anatomy(anatomy)
    workers = jobs or usual_jobs()
    if min(workers, count) > 1:
        prepare(["training.scanner.case", "training.findings.draw"])
    # Imported here: `feta-train --help` must answer at once.
    from training.findings.settings import read_findings
    from training.scanner.case_plan import OLDEST, YOUNGEST

    ill = None if findings is None else read_findings(findings)
    out.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(1, count + 1) if not drawn_files(out, "ind", number)[1].exists()]
    # Ages lie evenly: the golden ratio's multiples fill an interval whatever their count.
    shares = [(number * 0.6180339887 + seed * 0.3819660113) % 1.0 for number in missing]
    drawn = [
        _Drawn(number, YOUNGEST + (OLDEST + 1 - YOUNGEST) * share)
        for number, share in zip(missing, shares, strict=True)
    ]
    began = time.monotonic()
    work = partial(_write, out, seed, anatomy, spacing, pathological, ill)
    for done, (task, told) in enumerate(in_processes(work, drawn, workers), start=1):
        if ill is not None:
            _list(out)
        left = (time.monotonic() - began) / done * (len(missing) - done)
        label_map = drawn_files(out, "ind", task.number)[1].name
        report(f"[{count - len(missing) + done}/{count}] {label_map}{told}, {left / 60:.0f} min left")
    typer.echo(f"Labelled volumes: {out}")


class _Drawn(NamedTuple):
    """One brain to draw: its number, and its age in weeks."""

    number: int
    age: float


def _write(
    out: Path,
    seed: int,
    weights: Path,
    spacing: float,
    pathological: float,
    ill: FindingsSettings | None,
    drawn: _Drawn,
) -> str:
    """Write one brain, its label map last: a subject that has one is finished. Returns its findings, to be told."""
    from feta.labels import Tissue
    from feta.volumes import Volume, write_label_map, write_volume
    from inference.biometry.line import Line, landmark_image
    from inference.geometry.frames import LPS_TO_RAS, coordinates
    from training.anatomy.individual import draw_individual
    from training.data.provenance import write_source_subjects
    from training.findings.draw import draw_ill_head
    from training.findings.ill_head import IllHead
    from training.findings.lesions import paint_lesions
    from training.scanner.case import loaded_anatomy, true_labels
    from training.scanner.cohort_settings import read_cohort_settings

    number, age, anatomy = *drawn, loaded_anatomy(weights)
    rng = np.random.default_rng([seed, number])
    wrong = bool(rng.random() < pathological)
    settings = read_cohort_settings().individuals
    head: HeadModel
    if wrong and ill is not None:
        head = draw_ill_head(rng, age, anatomy, settings, ill)
    else:
        head = draw_individual(rng, age, wrong, anatomy, settings)
    low, high = head.box[0] - _MARGIN, head.box[1] + _MARGIN
    x, y, z = (int(n) for n in np.ceil((high - low) / spacing) + 1)
    grid = Grid((x, y, z), (spacing,) * 3, (-float(low[0]), -float(low[1]), float(low[2])), _RAS)
    labels = true_labels(head, grid, np.asarray(LPS_TO_RAS, float))
    signal = head.at(coordinates(LPS_TO_RAS @ grid.affine(), (x, y, z), slice(0, z)))[1]
    image = np.where(labels > 0, np.clip(_MEAN + _SD * signal, 1, 2000), 0).astype(np.float32)
    told: dict[str, object] = {}
    if ill is not None:
        told = {"age": round(age, 2), "pathology": "Pathological" if wrong else "Neurotypical"}
    if isinstance(head, IllHead):
        fluid = float(image[labels == Tissue.VM].mean()) if (labels == Tissue.VM).any() else _MEAN + _SD
        places = coordinates(LPS_TO_RAS @ grid.affine(), (x, y, z), slice(0, z)).numpy()
        paint_lesions(image, labels, places, head.lesions, fluid)
        told |= head.told()
    image_path, label_path = drawn_files(out, "ind", number)
    image_path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(image_path, Volume(np.round(image), grid))
    # Their own landmarks, where the challenge keeps the experts': `fit landmarks --measured` reads them there.
    ends = {m: transformed(LPS_TO_RAS, both).tolist() for m, both in head.landmarks.items()}
    marks = landmark_image({m: Line(tuple(a), tuple(b)) for m, (a, b) in ends.items()}, grid)
    marks_path = out / "derivatives" / "biometry" / f"sub-ind{number:04d}" / "anat" / f"sub-ind{number:04d}_meas.nii.gz"
    marks_path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(marks_path, Volume(marks, grid))
    write_source_subjects(image_path, anatomy.known, **told)
    # Last: a subject with a label map is finished.
    write_label_map(label_path, Volume(labels, grid))
    return f" ({', '.join(head.names)})" if isinstance(head, IllHead) else ""


def _list(out: Path) -> None:
    """participants.tsv of all that is there; what findings were set to stands beside each volume."""
    rows = ["participant_id\tPathology\tGestational age\tFindings"]
    for path in sorted(out.glob("sub-ind*/anat/*_T2w.json")):
        told = json.loads(path.read_text())
        cells = [told.get("pathology"), told.get("age"), ", ".join(told.get("findings", ())) or None]
        rows.append("\t".join([subject_in(path.name), *("n/a" if c is None else str(c) for c in cells)]))
    write_atomically(out / "participants.tsv", "\n".join(rows) + "\n")
