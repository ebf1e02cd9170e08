"""``feta-train simulate``: a cohort whose truth is known."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError


class Size(StrEnum):
    """How fine the volumes are."""

    FULL = "full"
    SMALL = "small"


#: Finest voxel of a small cohort, mm.
_SMALL_VOXEL = 1.0


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder that gets input and truth; finished cases in it are kept.")],
    phantom: Annotated[bool, typer.Option("--phantom", help="Anatomy from closed formulas.")] = False,
    sites: Annotated[int, typer.Option(min=1, help="Hospitals, each with its own scanner.")] = 3,
    cases: Annotated[int, typer.Option(min=1, help="Cases a site.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    size: Annotated[Size, typer.Option(help="full: each site's own voxels; small: 1 mm or coarser.")] = Size.FULL,
    voxel: Annotated[float | None, typer.Option(min=0.4, max=3.0, help="Voxel size for all sites, mm.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a core")] = None,
) -> None:
    """Simulate a cohort: T2w volumes, and the label maps and lengths that they were made from."""
    # Imported here: `feta-train --help` must answer at once.
    from training.cohort import plan_cases, write_cohort
    from training.phantom_case import make_phantom_case
    from training.sites import draw_sites

    if not phantom:
        raise FetaError("simulate", "knows one anatomy so far", "add --phantom")
    places = draw_sites(sites, voxel, _SMALL_VOXEL if size is Size.SMALL else 0.0)
    plans = plan_cases(places, cases, seed)
    settings = {"anatomy": "phantom", "sites": sites, "cases": cases, "seed": seed, "size": size.value, "voxel": voxel}
    workers = jobs or len(os.sched_getaffinity(0))
    for done, (plan, drawn) in enumerate(write_cohort(out, plans, make_phantom_case, settings, workers), start=1):
        state = "drawn" if drawn else "was there"
        typer.echo(f"[{done}/{len(plans)}] {plan.stem} ({plan.site.name}, {plan.age} weeks): {state}")
    typer.echo(f"Cohort: {out / 'input'} and {out / 'truth'}")
