"""``feta-train data heads``: painted heads, as labelled volumes to train the networks on that look for the brain."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from feta.errors import FetaError
from training.commands.common import (
    HELD_OUT,
    AnatomyWeights,
    Count,
    Jobs,
    Labelled,
    Pathological,
    Seed,
    drawn_files,
    require_anatomy,
)
from training.engine.log import report
from training.scanner.processes import in_processes, prepare, usual_jobs

#: Ages in weeks, one more at both ends than simulated cohorts have.
YOUNGEST, OLDEST = 19.5, 37.0


def heads(
    out: Labelled,
    count: Count = 60,
    seed: Seed = 1,
    anatomy: AnatomyWeights = HELD_OUT,
    spacing: Annotated[float, typer.Option(min=0.8, max=4.0, help="Voxel size, mm.")] = 2.0,
    pathological: Pathological = 0.5,
    youngest: Annotated[float, typer.Option(min=18, max=40, help="Weeks.")] = YOUNGEST,
    oldest: Annotated[float, typer.Option(min=18, max=40, help="Weeks.")] = OLDEST,
    jobs: Jobs = None,
) -> None:
    """Paint heads with all that lies around them, to train brain extraction and locator on."""
    require_anatomy(anatomy)
    if youngest > oldest:
        raise FetaError("--youngest", f"is above --oldest ({youngest:g} > {oldest:g})", "exchange them")
    workers = jobs or usual_jobs()
    if min(workers, count) > 1:
        prepare(["training.scanner.case", "training.synthesis.painted_heads"])
    missing = [number for number in range(1, count + 1) if not drawn_files(out, "head", number)[1].exists()]
    work = partial(_write, out, seed, anatomy, spacing, pathological, (youngest, oldest))
    for done, (number, age) in enumerate(in_processes(work, missing, workers), start=count - len(missing) + 1):
        report(f"[{done}/{count}] {drawn_files(out, 'head', number)[1].name}, {age:.1f} weeks")
    typer.echo(f"Labelled heads: {out}")


def _write(
    out: Path,
    seed: int,
    weights: Path,
    spacing: float,
    pathological: float,
    ages: tuple[float, float],
    number: int,
) -> float:
    """Write one head, its label map last: a head that has one is finished. Returns its age in weeks."""
    # Imported here: `feta-train --help` must answer at once.
    from feta.volumes import write_label_map, write_volume
    from training.data.provenance import write_source_subjects
    from training.scanner.case import loaded_anatomy
    from training.scanner.cohort_settings import read_cohort_settings
    from training.synthesis.painted_heads import paint_head

    known, settings = loaded_anatomy(weights), read_cohort_settings()
    # Ages lie evenly: the golden ratio's multiples fill an interval whatever their count.
    age = ages[0] + (ages[1] - ages[0]) * ((number * 0.6180339887 + seed * 0.3819660113) % 1.0)
    rng = np.random.default_rng([seed, number])
    image, label_map = paint_head(rng, age, bool(rng.random() < pathological), known, settings, spacing)
    path, labels = drawn_files(out, "head", number)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, image)
    write_source_subjects(path, known.known)
    write_label_map(labels, label_map)
    return age
