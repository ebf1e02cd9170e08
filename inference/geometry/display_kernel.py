"""The compiled loop that reads an image and its label map on a grid to be looked at, both in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]


@compiled
def shown(volume: Array, labels: Array, matrix: Array, low: float, scale: float, grey: Array, drawn: Array) -> None:
    """Trilinear grey values and nearest labels at each voxel of a grid, written in place; 0 outside the image.

    Args:
        volume: (Z, Y, X) float32.
        labels: (Z, Y, X) uint8, on the same grid.
        matrix: (3, 4) float64 from index (x, y, z) of the grid to index (x, y, z) of the volume.
        low: intensity that becomes 0.
        scale: 8-bit steps a unit of intensity.
        grey: (z, y, x) uint8, written.
        drawn: (z, y, x) uint8, written.
    """
    depth, height, width = volume.shape
    for k in range(grey.shape[0]):
        for j in range(grey.shape[1]):
            row_x = matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3]
            row_y = matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3]
            row_z = matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3]
            for i in range(grey.shape[2]):
                x, y, z = row_x + matrix[0, 0] * i, row_y + matrix[1, 0] * i, row_z + matrix[2, 0] * i
                if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5 and -0.5 <= z < depth - 0.5):
                    grey[k, j, i] = 0
                    drawn[k, j, i] = 0
                    continue
                drawn[k, j, i] = labels[int(z + 0.5), int(y + 0.5), int(x + 0.5)]
                # Within half a voxel of the border the outermost voxels count.
                x, y, z = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0), min(max(z, 0.0), depth - 1.0)
                x0, y0, z0 = int(x), int(y), int(z)
                x1, y1, z1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1), min(z0 + 1, depth - 1)
                fx, fy, fz = np.float32(x - x0), np.float32(y - y0), np.float32(z - z0)
                a, b = volume[z0, y0, x0], volume[z0, y1, x0]
                c, d = volume[z1, y0, x0], volume[z1, y1, x0]
                a += fx * (volume[z0, y0, x1] - a)
                b += fx * (volume[z0, y1, x1] - b)
                c += fx * (volume[z1, y0, x1] - c)
                d += fx * (volume[z1, y1, x1] - d)
                a += fy * (b - a)
                c += fy * (d - c)
                value = (a + fz * (c - a) - low) * scale + 0.5
                grey[k, j, i] = np.uint8(min(max(value, 0.0), 255.0))
