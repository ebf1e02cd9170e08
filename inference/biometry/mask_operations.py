"""Small pieces of geometry on masks that the measurements share."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from inference.geometry.components import largest_component

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

#: Structures smaller than this in their plane (mm²) or in space (mm³) can't be measured.
SMALLEST_AREA_MM2 = 12.0
SMALLEST_VOLUME_MM3 = 150.0


def largest(mask: Mask) -> Mask | None:
    """The largest component of a mask, connected by voxels' faces (pixels' edges); None of an empty mask."""
    return largest_component(mask, 4 if mask.ndim == 2 else 6) if mask.any() else None


def solid(mask: Mask, spacing: float, radius_mm: float, share: float) -> Mask:
    """A mask without what is thin, and without what only that ties to the rest.

    Args:
        mask: of two or three dimensions.
        spacing: mm.
        radius_mm: a ball (disc) of this radius fits into everything that is kept, to within a voxel.
        share: parts smaller than this share of the largest go too.
    """
    if not mask.any():
        return mask
    # Distances are sought around the mask only; what lies beyond the array is outside.
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    part = np.ascontiguousarray(mask[box])
    core = distance_transform_edt(np.pad(part, 1))[(slice(1, -1),) * mask.ndim] * spacing > radius_mm
    if not core.any():
        return mask
    parts = cc3d.connected_components(core, connectivity=4 if mask.ndim == 2 else 6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = (sizes >= share * sizes.max())[parts] & core
    whole = np.zeros_like(mask)
    whole[box] = part & (distance_transform_edt(~kept) * spacing <= radius_mm + spacing)
    return whole
