"""Small pieces of geometry on masks that the measurements share."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

#: Structures smaller than this in their plane (mm²) or in space (mm³) can't be measured.
SMALLEST_AREA_MM2 = 12.0
SMALLEST_VOLUME_MM3 = 150.0


def largest(mask: Mask) -> Mask | None:
    """The largest part of a mask that hangs together by its voxels' faces (pixels' edges), None of an empty mask."""
    if not mask.any():
        return None
    connectivity = 4 if mask.ndim == 2 else 6
    largest = cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=connectivity)
    return np.asarray(largest > 0)
