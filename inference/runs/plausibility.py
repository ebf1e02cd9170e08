"""Whether a volume can be a reconstructed scan of a fetal brain, or is a mask, a label map, a stack of slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from feta.volumes import Volume

#: A volume thinner than this (mm) along any axis can't hold a fetal brain, which is 35 mm wide at 18 weeks.
THINNEST_MM = 15.0
#: A volume of fewer distinct values is no scan. Label maps have 2 (masks), 8 (FeTA), 10 (dHCP), 20 (BOUNTI), 33 (white
#: matter zones of the CRL atlas) or 45 (FreeSurfer's aseg). A T2w volume stored in 8 bits has up to 256, over a hundred
#: as a rule; one whose contrast a few bright voxels have squeezed into a quarter of that still has about 60.
HANDFUL = 48
#: Fewer than this are said: a squeezed 8-bit volume, or a finer parcellation (Draw-EM has 88).
FEW = 100
#: Voxels whose values are counted first: all of a large volume take seconds.
COUNTED = 100_000
#: A voxel's side more than so many times another, beyond rounding, is a slice's thickness.
SLICE_RATIO = 2.001


def check_usable(path: Path, volume: Volume) -> tuple[str, ...]:
    """Refuse a volume in which there can't be a brain, and doubt one that looks like no reconstruction.

    Args:
        path: its file.
        volume: float32 (z, y, x).

    Returns:
        warnings, one line each.

    Raises:
        FetaError: it is too thin, empty, a mask or a label map.
    """
    extent = np.multiply(volume.grid.size, volume.grid.spacing)
    thinnest = int(np.argmin(extent))
    if extent[thinnest] < THINNEST_MM:
        problem = (
            f"is only {volume.grid.size[thinnest]} voxels ({extent[thinnest]:.3g} mm) thick along {'ijk'[thinnest]}"
        )
        raise FetaError(path, problem, "a 3-D reconstruction of the whole brain is needed")
    if float(volume.array.min()) == float(volume.array.max()):
        raise FetaError(path, f"is empty: every voxel is {volume.array.flat[0]:g}")
    warnings = []
    distinct = _distinct(path, volume.array)
    if distinct < FEW:
        warnings.append(
            f"{path}: holds only {distinct} distinct values: a parcellation, or a scan of very little contrast"
        )
    if max(volume.grid.spacing) > SLICE_RATIO * min(volume.grid.spacing):
        sides = " × ".join(f"{side:.3g}" for side in volume.grid.spacing)
        warnings.append(
            f"{path}: has voxels of {sides} mm, as a stack of slices; results are of use for 3-D reconstructions only"
        )
    return tuple(warnings)


def _distinct(path: Path, array: npt.NDArray[np.float32]) -> int:
    """How many distinct values there are, or at least ``FEW``.

    Raises:
        FetaError: so few, or one so common, that it is a mask or a label map.
    """
    values, counts = np.unique(array.ravel()[:: max(1, array.size // COUNTED)], return_counts=True)
    if len(values) < FEW:
        values, counts = np.unique(array, return_counts=True)
    remedy = "give the T2w volume that it was made from"
    if len(values) < HANDFUL:
        raise FetaError(path, f"holds only {len(values)} distinct values: a mask or a label map, no scan", remedy)
    # A mask that was resampled has many values, but most of what isn't background has one. The background is the
    # commonest value, and what isn't positive (padding beside it).
    signal = counts[(values > 0) & (np.arange(len(values)) != counts.argmax())]
    if 2 * signal.max(initial=0) > signal.sum():
        raise FetaError(path, "has one value in most of what isn't background: a resampled mask, no scan", remedy)
    return len(values)
