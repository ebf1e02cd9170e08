"""What gudhi and SciPy say of a mask's topology."""

from __future__ import annotations

import gudhi
import numpy as np
from scipy import ndimage


def betti_numbers(mask: np.ndarray) -> tuple[int, int, int]:
    """Betti numbers of a mask by gudhi, voxels as vertices: 6-connected foreground, 26-connected background."""
    cells = gudhi.CubicalComplex(vertices=np.where(np.pad(mask, 1), 0.0, 1.0))
    cells.compute_persistence(homology_coeff_field=2, min_persistence=0)
    numbers = cells.persistent_betti_numbers(0.0, 0.0)
    return tuple(int(n) for n in (*numbers, 0, 0, 0)[:3])  # type: ignore[return-value]


def by_definition(block: np.ndarray) -> bool:
    """Bertrand and Malandain's two numbers, counted by SciPy: both are 1."""
    block = block.reshape(3, 3, 3).copy()
    block[1, 1, 1] = False
    corners = np.abs(np.indices((3, 3, 3)) - 1).sum(0)
    near, _ = ndimage.label(block & (corners < 3))
    touching = set(near[(corners == 1) & block])
    outside = ~block
    outside[1, 1, 1] = False
    return len(touching) == 1 and ndimage.label(outside, np.ones((3, 3, 3)))[1] == 1
