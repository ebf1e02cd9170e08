"""The compiled loop of `inference.geometry.native_grid`: probabilities at each voxel, and the likeliest label."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]


@compiled
def interpolate(
    probabilities: Array, certain: Array, matrix: Array, first: int, labels: Array, scores: Array, keep: bool
) -> None:
    """Trilinear interpolation of some slices of a grid, in place.

    Args:
        probabilities: (Z, Y, X, L) float32; outside is background, label 0.
        certain: (Z - 1, Y - 1, X - 1) bool, cells between eight voxels in which background is so sure that every other
            score would be rounded to 0.
        matrix: (3, 4) float64 from index (x, y, z) of the grid to index (x, y, z) of the probabilities.
        first: z of the first of the slices in the grid.
        labels: (z, y, x) uint8 of the slices, written: the likeliest label, the first of equals.
        scores: (L, z, y, x) uint8 of the slices, written where ``keep`` says so: in units of 1/255.
        keep: whether scores are asked for.
    """
    depth, height, width, count = probabilities.shape
    mean = np.zeros(count, np.float32)
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            row_x = matrix[0, 1] * j + matrix[0, 2] * (k + first) + matrix[0, 3]
            row_y = matrix[1, 1] * j + matrix[1, 2] * (k + first) + matrix[1, 3]
            row_z = matrix[2, 1] * j + matrix[2, 2] * (k + first) + matrix[2, 3]
            for i in range(labels.shape[2]):
                x, y, z = row_x + matrix[0, 0] * i, row_y + matrix[1, 0] * i, row_z + matrix[2, 0] * i
                x0, y0, z0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
                out = x0 < -1 or y0 < -1 or z0 < -1 or x0 >= width or y0 >= height or z0 >= depth
                within = 0 <= x0 < width - 1 and 0 <= y0 < height - 1 and 0 <= z0 < depth - 1
                if out or (within and certain[z0, y0, x0]):
                    labels[k, j, i] = 0
                    if keep:
                        scores[0, k, j, i] = 255
                        for label in range(1, count):
                            scores[label, k, j, i] = 0
                    continue
                fx, fy, fz = x - x0, y - y0, z - z0
                mean[:] = 0.0
                for dz in range(2):
                    for dy in range(2):
                        for dx in range(2):
                            zz, yy, xx = z0 + dz, y0 + dy, x0 + dx
                            if 0 <= zz < depth and 0 <= yy < height and 0 <= xx < width:
                                part = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
                                weight = np.float32(part)
                                for label in range(count):
                                    mean[label] += weight * probabilities[zz, yy, xx, label]
                total = np.float32(0.0)
                for label in range(count):
                    total += mean[label]
                mean[0] += np.float32(1.0) - total
                best = 0
                for label in range(1, count):
                    if mean[label] > mean[best]:
                        best = label
                labels[k, j, i] = best
                if keep:
                    for label in range(count):
                        value = mean[label] * np.float32(255.0)
                        scores[label, k, j, i] = np.uint8(min(max(np.rint(value), 0.0), 255.0))


def warm_up() -> None:
    """Compile the loop for a part of a grid and for the whole of one, whose layouts differ."""
    probabilities, certain = np.zeros((2, 2, 2, 8), np.float32), np.zeros((1, 1, 1), np.bool_)
    labels, scores = np.zeros((4, 4, 4), np.uint8), np.zeros((8, 4, 4, 4), np.uint8)
    for some in (labels[1:3, 1:3, 1:3], labels[1:3]):
        interpolate(probabilities, certain, np.eye(4)[:3], 0, some, scores[:, 1:3], True)
