"""Affine transforms of points."""

from __future__ import annotations

import torch
from torch import Tensor

from feta.grid import Matrix


def apply_affine(matrix: Matrix, points: Tensor) -> Tensor:
    """Points after an affine transform.

    Args:
        matrix: 4×4, acts on columns (x, y, z, 1).
        points: (..., 3) float32, (x, y, z).

    Returns:
        (..., 3) float32.
    """
    m = torch.as_tensor(matrix[:3], dtype=torch.float32)
    return points @ m[:, :3].T + m[:, 3]
