"""Native space: probabilities resampled from the upright box to the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from feta.grid import Matrix, box_corners, transformed
from inference.geometry.frames import SLAB_VOXELS, coordinates, sample
from inference.geometry.orientation import Reorientation


@dataclass(frozen=True)
class NativeSpaceLabels:
    """Labels of a whole grid, and scores of the part of it that the box touches.

    Attributes:
        labels: (Z, Y, X) uint8, the likeliest.
        part: slices (z, y, x) of the grid.
        scores: (L, z, y, x) uint8, probabilities within the part in units of 1/255; None where not asked for.
    """

    labels: npt.NDArray[np.uint8]
    part: tuple[slice, slice, slice]
    scores: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class Prediction:
    """What networks predict for a volume, in its native space.

    Attributes:
        native: labels and scores, with the grid's axes in the order that the networks saw.
        to_canonical: 4×4 from index (x, y, z) of the labels to canonical brain mm.
        order: how the volume's axes were put into that order; its ``undo`` gives the order in which it is stored.
    """

    native: NativeSpaceLabels
    to_canonical: Matrix
    order: Reorientation


def resample_to_native(
    probabilities: Tensor, matrix: Matrix, size: tuple[int, int, int], *, scores: bool = False
) -> NativeSpaceLabels:
    """Interpolate probabilities on a grid and take the likeliest label, slab by slab.

    Only the slab at hand is ever held as floats on the full grid.

    Args:
        probabilities: (L, Z, Y, X) float32; outside of it is background.
        matrix: from index (x, y, z) of the grid to index (x, y, z) of the probabilities.
        size: of the grid, voxels along (x, y, z).
        scores: whether to keep them.
    """
    labels = np.zeros(size[::-1], dtype=np.uint8)
    low, high = _reach(probabilities, matrix, size)
    x, y, z = (max(0, int(n)) for n in high - low)
    part = (slice(low[2], low[2] + z), slice(low[1], low[1] + y), slice(low[0], low[0] + x))
    kept = np.zeros((len(probabilities), z, y, x), np.uint8) if scores else None
    if not x * y * z:
        return NativeSpaceLabels(labels, part, kept)
    shift = np.eye(4)
    shift[:3, 3] = low
    slab = max(1, SLAB_VOXELS // (x * y))
    for start in range(0, z, slab):
        where = slice(start, min(start + slab, z))
        values = sample(probabilities, coordinates(matrix @ shift, (x, y, z), where))
        values[0] += 1 - values.sum(0)  # what lies outside the box is background
        labels[part][where] = values.argmax(0).to(torch.uint8).numpy()
        if kept is not None:
            kept[:, where] = values.mul_(255).round_().clamp_(0, 255).to(torch.uint8).numpy()
    return NativeSpaceLabels(labels, part, kept)


def _reach(
    probabilities: Tensor, matrix: Matrix, size: tuple[int, int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The part of the grid, (x, y, z) from low to below high, that the probabilities' box touches."""
    ends = box_corners((-1, -1, -1), probabilities.shape[:0:-1])
    corners = transformed(np.linalg.inv(matrix), ends)
    low = np.clip(np.floor(corners.min(0)), 0, size).astype(np.int64)
    high = np.clip(np.ceil(corners.max(0)) + 1, 0, size).astype(np.int64)
    return low, high
