"""Frames of reference, and resampling from one into another.

Three frames: voxel index (x, y, z) of an image; physical RAS mm (x right, y anterior,
z superior, from the header); and the canonical brain frame, RAS mm as well, in which the
brain is upright and its centre is the origin. Matrices are 4×4 float64 and act on columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.grid import Grid, Matrix

#: SimpleITK's physical space is LPS; ours is RAS.
LPS_TO_RAS: Matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Slabs of this many voxels are resampled at once, so that coordinates stay small in memory.
SLAB_VOXELS = 2**21


def index_to_ras(grid: Grid) -> Matrix:
    """Matrix from voxel index (x, y, z) to physical RAS mm."""
    return LPS_TO_RAS @ grid.affine()


def rotation_degrees(rotation: Matrix) -> float:
    """Angle by which a rotation (3×3) turns, in degrees, 0–180."""
    cosine = (np.trace(rotation) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def box_to_frame(size: tuple[int, int, int], spacing: float, centre: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Matrix:
    """Matrix from index (x, y, z) of an axis-aligned box to mm of its frame.

    Args:
        size: voxels along (x, y, z).
        spacing: mm, the same along each axis.
        centre: position (x, y, z) in mm of the middle of the box.
    """
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = np.asarray(centre) - spacing * (np.asarray(size) - 1) / 2
    return matrix


def coordinates(matrix: Matrix, size: tuple[int, int, int], z: slice, device: torch.device | None = None) -> Tensor:
    """Map every voxel of some z-slices of a box.

    Args:
        matrix: from index (x, y, z) to wherever the coordinates should lie.
        size: voxels along (x, y, z).
        z: the slices.
        device: of the result; None: torch's current one.

    Returns:
        (Z, Y, X, 3) float32, last axis (x, y, z).
    """
    axes = [torch.arange(n, dtype=torch.float32, device=device) for n in size]
    zs = axes[2][z][:, None, None, None]
    ys, xs = axes[1][None, :, None, None], axes[0][None, None, :, None]
    m = torch.as_tensor(matrix[:3], dtype=torch.float32, device=device)
    return xs * m[:, 0] + ys * m[:, 1] + zs * m[:, 2] + m[:, 3]


def sample(source: Tensor, index: Tensor, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Interpolate at index positions.

    Args:
        source: (C, Z, Y, X) float.
        index: (Z', Y', X', 3) float32 voxel positions (x, y, z) in ``source``.
        mode: ``bilinear`` (trilinear in three dimensions) or ``nearest``.
        padding: ``zeros`` or ``border`` outside the source.

    Returns:
        (C, Z', Y', X') of the source's dtype.
    """
    extent = torch.tensor([max(n - 1, 1) for n in source.shape[:0:-1]], dtype=torch.float32, device=index.device)
    scaled = index * (2 / extent) - 1
    return F.grid_sample(
        source[None], scaled[None].to(source.dtype), mode=mode, padding_mode=padding, align_corners=True
    )[0]


def resample(source: Tensor, matrix: Matrix, size: tuple[int, int, int]) -> Tensor:
    """Trilinear resampling into a box, slab by slab.

    Args:
        source: (C, Z, Y, X) float32.
        matrix: from index (x, y, z) of the box to index (x, y, z) of the source.
        size: voxels of the box along (x, y, z).

    Returns:
        (C, size z, size y, size x) float32, 0 outside the source.
    """
    slab = max(1, SLAB_VOXELS // (size[0] * size[1]))
    pieces = [
        sample(source, coordinates(matrix, size, slice(z, min(z + slab, size[2])), source.device))
        for z in range(0, size[2], slab)
    ]
    return torch.cat(pieces, dim=1)
