"""How much signal lies in each slice of a volume along its three axes: one pass of a compiled loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]


@compiled
def profiles(array: Array) -> tuple[Array, Array, Array]:
    """Sums (float64) of what is above 0 in the slices along x, y and z.

    Args:
        array: (Z, Y, X), of any type of number.
    """
    depth, height, width = array.shape
    along_x, along_y, along_z = np.zeros(width), np.zeros(height), np.zeros(depth)
    for z in range(depth):
        for y in range(height):
            total = 0.0
            for x in range(width):
                value = max(np.float64(array[z, y, x]), 0.0)
                total += value
                along_x[x] += value
            along_y[y] += total
            along_z[z] += total
    return along_x, along_y, along_z
