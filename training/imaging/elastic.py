"""Random displacements that fold nowhere: a lattice of knots, interpolated trilinearly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.imaging.random_source import RandomSource

#: The volume of no corner of a lattice's cell falls below this share of what it was.
LEAST_VOLUME = 0.15
#: Mean standard deviation, within a cell, of what is interpolated from knots of standard deviation 1.
_INTERPOLATED_SD = (2 / 3) ** 1.5


def random_displacement(draw: RandomSource, knots: int, spacing: float, size: float) -> Tensor:
    """Elastic deformation: random displacements at the knots of a cubic lattice, so small that nothing folds.

    Args:
        draw: of the displacements, normal but never beyond 2.5 standard deviations.
        knots: along each axis.
        spacing: of the knots, mm.
        size: standard deviation of the interpolated displacement along each axis, mm; less where it would fold.

    Returns:
        (3, knots, knots, knots) float32 mm, (x, y, z) at [z, y, x].
    """
    drawn = draw.normals(3, knots, knots, knots).clamp(-2.5, 2.5) * (size / _INTERPOLATED_SD)
    return unfolded(drawn, spacing)


def unfolded(displacement: Tensor, spacing: float) -> Tensor:
    """The displacement (3, Z, Y, X), mm, made smaller until no cell's corner folds."""
    for _ in range(30):
        if float(corner_volumes(displacement, spacing).min()) >= LEAST_VOLUME:
            return displacement
        displacement = displacement * 0.85
    return torch.zeros_like(displacement)


def corner_volumes(displacement: Tensor, spacing: float) -> Tensor:
    """Volume (8, Z−1, Y−1, X−1) of each corner of each cell, as a share of what it was.

    Args:
        displacement: (3, Z, Y, X) mm, (x, y, z).
        spacing: of the knots, mm.
    """
    steps = [displacement.diff(dim=dim) / spacing for dim in (3, 2, 1)]  # along x, y, z
    z, y, x = (n - 1 for n in displacement.shape[1:])
    corners = []
    for corner in range(8):
        k, j, i = corner >> 2, corner >> 1 & 1, corner & 1
        along = (
            steps[0][:, k : k + z, j : j + y, :],
            steps[1][:, k : k + z, :, i : i + x],
            steps[2][:, :, j : j + y, i : i + x],
        )
        corners.append(torch.stack([a + e[:, None, None, None] for a, e in zip(along, torch.eye(3), strict=True)]))
    a, b, c = torch.stack(corners, dim=1)
    return (a * torch.linalg.cross(b, c, dim=1)).sum(1)


def on_grid(knots: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """A lattice (3, K, K, K) that spans a grid from end to end, on the grid's voxels: (Z, Y, X, 3)."""
    return F.interpolate(knots[None], size=shape, mode="trilinear", align_corners=True)[0].permute(1, 2, 3, 0)
