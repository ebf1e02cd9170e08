"""How folded the brain is: the surface that the cortex lies on, against that of a body of the same shape and size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from feta.labels import LABEL_COUNT, Tissue, foreground_box
from inference.biometry.midline_alignment import AlignedLabels

#: What the cortex encloses.
WITHIN = (Tissue.WM, Tissue.VM, Tissue.SGM)
#: Standard deviation of the smoothing (mm). Wide enough that voxels' steps, of up to 1.2 mm, add no surface however the
#: brain lies in them; narrow enough for sulci.
SMOOTHING_MM = 1.0
_TRUNCATE = 4.0
_IS_WITHIN = np.isin(np.arange(LABEL_COUNT), WITHIN)


def folding(aligned: AlignedLabels | None) -> float:
    """ln(surface / volume^(2/3)) of the part that the cortex encloses: 1.576 of a ball, the more the more folds.

    The surface is the integral of the gradient's magnitude of the smoothed part, the total variation: no mesh, and of
    each of the levels between inside and outside the mean area. Edges are rounded: a cube loses 2.2 mm over its side.

    Args:
        aligned: the upright label map; None where it is empty.

    Returns:
        NaN where there is no such part.
    """
    if aligned is None:
        return float("nan")
    part = _IS_WITHIN[aligned.labels]
    box = foreground_box(part)
    if box is None:
        return float("nan")
    # Means of 2 × 2 × 2 voxels: an eighth of the work, and the smoothing is wider than these.
    blocks, step = _halved(part[box]), 2 * aligned.spacing
    around = int(np.ceil(_TRUNCATE * SMOOTHING_MM / step)) + 1
    soft = gaussian_filter(np.pad(blocks, around), SMOOTHING_MM / step, mode="constant", truncate=_TRUNCATE)
    steepness = np.sqrt(sum(np.square(along) for along in np.gradient(soft)))
    surface = step**2 * float(steepness.sum(dtype=np.float64))
    volume = step**3 * float(soft.sum(dtype=np.float64))
    return float(np.log(surface) - 2 / 3 * np.log(volume))


def _halved(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The share of each 2 × 2 × 2 voxels that is true."""
    even = np.pad(mask.view(np.uint8), [(0, size % 2) for size in mask.shape])
    count = even[::2] + even[1::2]
    count = count[:, ::2] + count[:, 1::2]
    count = count[:, :, ::2] + count[:, :, 1::2]
    return np.asarray(count / 8, np.float32)
