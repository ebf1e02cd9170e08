"""Connected components of masks. Free of torch."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def largest_component(mask: Mask, connectivity: int, weights: npt.NDArray[np.floating] | None = None) -> Mask:
    """The largest component of a mask; of several equally large ones the first in the array's order.

    Args:
        mask: of two or three dimensions.
        connectivity: neighbours of a voxel: 4 or 8 in two dimensions, 6, 18 or 26 in three.
        weights: of each voxel; the component of the greatest sum is then taken, in place of the most voxels.

    Returns:
        bool, of the same shape; empty where the mask is.
    """
    # In two dimensions by 8 neighbours cc3d 4.1.1 numbers some pixels outside the mask, too.
    parts = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=connectivity) * mask
    sizes = np.bincount(parts.ravel(), None if weights is None else weights.ravel())
    sizes[0] = 0
    largest = np.flatnonzero(sizes == sizes.max())
    if len(largest) == 1 or not mask.any():
        return np.asarray(mask & (parts == largest[0]))
    # Nor are they numbered in the array's order throughout.
    return np.asarray(parts == parts.ravel()[np.isin(parts.ravel(), largest).argmax()])
