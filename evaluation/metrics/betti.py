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
    return np.array([_betti(labels, t, s) for t, s in zip(TISSUES, surfaces, strict=True)], dtype=np.int64)


def _betti(labels: npt.NDArray[np.uint8], label: int, surface: Surface) -> tuple[int, int, int]:
    if surface.empty or surface.left_out:
        return 0, 0, 0
    box = tuple(slice(a, b) for a, b in zip(surface.low, surface.high, strict=True))
    mask = labels[box] == label
    count = backend.load().count_components
    components = count(mask, 6)
    # One component of the padded background is the outside; the others are cavities.
    cavities = count(np.pad(~mask, 1, constant_values=True), 26) - 1
    return components, components + cavities - euler_characteristic(surface), cavities


def euler_numbers(betti: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Euler characteristic by the Euler–Poincaré formula, χ = b0 − b1 + b2 along the last axis, (…, 3) → (…)."""
    return betti[..., 0] - betti[..., 1] + betti[..., 2]
