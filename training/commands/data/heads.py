"""``feta-train data heads``: painted heads, as labelled volumes to train the networks on that look for the brain."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from feta.errors import FetaError
from training.commands.common import HELD_OUT, AnatomyWeights, Count, Labelled, Pathological, Seed, require_anatomy
from training.engine.log import report

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
) -> None:
    """Paint heads with all that lies around them, to train brain extraction and locator on."""
    require_anatomy(anatomy)
    if youngest > oldest:
        raise FetaError("--youngest", f"is above --oldest ({youngest:g} > {oldest:g})", "exchange them")
    # Imported here: `feta-train --help` must answer at once.
    from feta.volumes import write_label_map, write_volume
    from training.anatomy.model import Anatomy
    from training.data.provenance import write_source_subjects
    from training.scanner.cohort_settings import read_cohort_settings
    from training.synthesis.painted_heads import paint_head

    known, settings = Anatomy.load(anatomy), read_cohort_settings()
    for number in range(1, count + 1):
        folder = out / f"sub-head{number:04d}" / "anat"
        labels = folder / f"sub-head{number:04d}_T2w_dseg.nii.gz"
        if labels.exists():
            continue
        # Ages lie evenly: the golden ratio's multiples fill an interval whatever their count.
        age = youngest + (oldest - youngest) * ((number * 0.6180339887 + seed * 0.3819660113) % 1.0)
        rng = np.random.default_rng([seed, number])
        image, label_map = paint_head(rng, age, bool(rng.random() < pathological), known, settings, spacing)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"sub-head{number:04d}_T2w.nii.gz"
        write_volume(path, image)
        write_source_subjects(path, known.known)
        # Last: a head with a label map is finished.
        write_label_map(labels, label_map)
        report(f"[{number}/{count}] {labels.name}, {age:.1f} weeks")
    typer.echo(f"Labelled heads: {out}")
