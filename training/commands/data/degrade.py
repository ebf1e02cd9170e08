"""``feta-train data degrade``: a cohort's volumes made blurred, for a rival that must lose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def degrade(
    cohort: Annotated[Path, typer.Argument(help="BIDS tree of T2w volumes.")],
    out: Annotated[Path, typer.Argument(help="Folder for the blurred volumes; those already there are kept.")],
    blur: Annotated[float, typer.Option(min=0.1, max=10, help="Standard deviation of the blur, mm.")] = 1.5,
) -> None:
    """Blur a cohort's volumes on their own grid, and leave the ages out: a weak rival for a demonstration."""
    from feta.cases import find_cases

    for case in find_cases(cohort).all_usable():
        target = out / case.folder / f"{case.name}.nii.gz"
        if not target.exists():
            _blur(case.image, target, blur)
    typer.echo(f"Blurred: {out}")


def _blur(source: Path, target: Path, blur: float) -> None:
    import numpy as np
    from scipy import ndimage

    from feta.volumes import Volume, read_volume, write_volume

    volume = read_volume(source)
    sigma = [blur / spacing for spacing in reversed(volume.grid.spacing)]
    write_volume(target, Volume(np.round(ndimage.gaussian_filter(volume.array, sigma)), volume.grid))
