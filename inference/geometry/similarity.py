"""Robust least-squares similarity between two sets of points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix


def fit_similarity(
    places: npt.NDArray[np.float64], points: npt.NDArray[np.float64], iterations: int = 5
) -> tuple[Matrix, float, float]:
    """Robust least-squares similarity: ``points ≈ scale · R · places + t``.

    Umeyama (IEEE TPAMI 1991), with weights that fade out misfits (Geman–McClure), re-estimated.

    Args:
        places: (N, 3) canonical places in units of the brain's size.
        points: (N, 3) physical positions, mm.
        iterations: of the reweighting.

    Returns:
        4×4 rigid matrix from canonical mm to physical mm, the scale (mm), and the weighted root mean
        square misfit in units of the brain's size.
    """
    weights = np.ones(len(places))
    for _ in range(iterations):
        w = weights / weights.sum()
        mean_u, mean_p = w @ places, w @ points
        u, p = places - mean_u, points - mean_p
        left, singular, right = np.linalg.svd((p * w[:, None]).T @ u)
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        rotation = left @ np.diag(sign) @ right
        scale = float((singular * sign).sum() / (w @ (u**2).sum(1)))
        misfit = np.linalg.norm(p - scale * u @ rotation.T, axis=1) / scale
        cutoff = max(2.0 * float(np.median(misfit)), 1e-6)
        weights = 1 / (1 + (misfit / cutoff) ** 2) ** 2
    rigid = np.eye(4)
    rigid[:3, :3] = rotation
    rigid[:3, 3] = mean_p - scale * rotation @ mean_u
    return rigid, scale, float(np.sqrt(w @ misfit**2))
