"""``feta-train heads``: painted heads, as labelled volumes to train the networks on that look for the brain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from feta.errors import FetaError
from training.commands.anatomy import HELD_OUT
from training.engine.log import say

#: Ages in weeks, one more at both ends than simulated cohorts have.
YOUNGEST, OLDEST = 19.5, 37.0


def heads(
    out: Annotated[Path, typer.Argument(help="Labelled BIDS folder to write; those already there are kept.")],
    count: Annotated[int, typer.Option(min=1, help="Heads.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same heads.")] = 1,
    anatomy: Annotated[Path, typer.Option(help="Weights of the learned anatomy.")] = HELD_OUT,
    spacing: Annotated[float, typer.Option(min=0.8, max=4.0, help="Voxel size, mm.")] = 2.0,
    pathological: Annotated[float, typer.Option(min=0, max=1, help="Share of them.")] = 0.5,
    youngest: Annotated[float, typer.Option(min=18, max=40, help="Weeks.")] = YOUNGEST,
    oldest: Annotated[float, typer.Option(min=18, max=40, help="Weeks.")] = OLDEST,
) -> None:
    """Draw heads with everything around them from the learned anatomy, to train extraction and locator on."""
    if not anatomy.exists():
        raise FetaError(anatomy, "is missing, so that there is no learned anatomy", "name the file with --anatomy")
    if youngest > oldest:
        raise FetaError("--youngest", f"is above --oldest ({youngest:g} > {oldest:g})", "exchange them")
    # Imported here: `feta-train --help` must answer at once.
    from feta.volumes import write_label_map, write_volume
    from training.anatomy.model import Anatomy
    from training.data.provenance import write_origins
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
        write_origins(path, known.known)
        # Last: a head with a label map is finished.
        write_label_map(labels, label_map)
        say(f"[{number}/{count}] {labels.name}, {age:.1f} weeks")
    typer.echo(f"Labelled heads: {out}")
