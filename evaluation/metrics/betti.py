"""Betti numbers and Euler characteristic of labels, foreground 6-connected, background 26-connected.

As the challenge's organizers compute them (their ``Topology-Evaluation``: gudhi's cubical complex with voxels as
vertices), without the crash of theirs on empty masks and on masks that touch the border.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics import backend
from evaluation.metrics.surface_elements import Surface, euler_characteristic
from feta.labels import TISSUES


def betti_numbers(labels: npt.NDArray[np.uint8], surfaces: tuple[Surface, ...]) -> npt.NDArray[np.int64]:
    """Betti numbers of every label: components (b0), loops (b1) and cavities (b2), as ``Topology-Evaluation`` has them.

    Args:
        labels: (z, y, x), values 0–7.
        surfaces: the surface elements of its labels 1–7.

    Returns:
        (7, 3) int64, (b0, b1, b2) of labels 1–7; zeros for an absent label, and for one whose elements are left out.
    """
    result = np.zeros((len(TISSUES), 3), np.int64)
    known = [i for i, surface in enumerate(surfaces) if not surface.empty and not surface.left_out]
    if not known:
        return result
    if left_out := [t for t, surface in zip(TISSUES, surfaces, strict=True) if surface.left_out]:
        labels = np.where(np.isin(labels, left_out), np.uint8(0), labels)
    counted = backend.load().components_and_cavities(labels, [TISSUES[i] for i in known])
    for i, (components, cavities) in zip(known, counted.tolist(), strict=True):
        result[i] = components, components + cavities - euler_characteristic(surfaces[i]), cavities
    return result


def euler_numbers(betti: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Euler characteristic by the Euler–Poincaré formula, χ = b0 − b1 + b2 along the last axis, (…, 3) → (…)."""
    return betti[..., 0] - betti[..., 1] + betti[..., 2]
