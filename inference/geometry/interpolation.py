"""Arrays read on other grids by scipy, whose axes are (z, y, x) where our matrices' are (x, y, z). Free of torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform


def affine_sample(
    array: npt.NDArray,
    linear: npt.NDArray[np.floating],
    offset: npt.NDArray[np.floating],
    shape: tuple[int, ...],
    *,
    order: Literal[0, 1],
    mode: Literal["constant", "grid-constant"] = "constant",
    dtype: np.dtype | None = None,
) -> npt.NDArray:
    """Read an array at the voxels of another grid.

    Args:
        array: (z, y, x).
        linear: (3, 3), how the array's index (x, y, z) changes along x, y and z of the other grid.
        offset: (3,), the array's index (x, y, z) of the other grid's first voxel.
        shape: of the other grid, (z, y, x).
        order: 0 nearest neighbour, 1 linear.
        mode: scipy's; with "grid-constant", values fade to 0 over the voxel beyond the array's border.
        dtype: of the result; the array's where None.

    Returns:
        (z, y, x), 0 outside the array.
    """
    turned = np.asarray(linear)[::-1, ::-1], np.asarray(offset)[::-1]
    found = affine_transform(array, *turned, shape, output=dtype, order=order, mode=mode, prefilter=False)
    return np.asarray(found)
