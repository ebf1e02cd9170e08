"""Drawn label maps with exactly the topology that tissues have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inference.topology.correction import construct, sure_scores


def grow_tissues(target: npt.NDArray[np.uint8], left: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The label map near a drawn one in which every tissue has exactly its expected Betti numbers.

    Args:
        target: (z, y, x) uint8, labels 0–7, grey matter on both sides.
        left: (z, y, x) bool, whether a voxel belongs to the left hemisphere.

    Returns:
        (z, y, x) uint8. Voxels that fit nowhere (a few at most) become background.
    """
    return construct(target, sure_scores(target), left)
