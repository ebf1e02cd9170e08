"""How a brain lies in its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix, box_corners, transformed
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras, rotation_degrees
from inference.segmentation.brain_mask import BrainMask

Points = npt.NDArray[np.floating]
#: Longest extent of a fetal brain at term, mm.
LARGEST_BRAIN_MM = 140.0


@dataclass(frozen=True)
class Pose:
    """How the brain lies in the image.

    Attributes:
        to_ras: 4×4, from canonical brain mm to physical RAS mm; a rigid motion.
        size_mm: cube root of the brain's volume, by the fitted scale.
        residual: root mean square misfit of the places, in units of the brain's size.
        low, high: (3,) the brain's extent along the canonical axes, mm.
        found: whether a brain was found; otherwise the header's directions and the signal's centre.
        brain: its mask, where there is a network that finds it.
        sure: whether it fits so well that no other need be looked for.
    """

    to_ras: Matrix
    size_mm: float
    residual: float
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    found: bool
    brain: BrainMask | None = None
    sure: bool = False

    def centre(self) -> Points:
        """Middle of the brain's extent, RAS mm."""
        return self.to_ras[:3, :3] @ ((self.low + self.high) / 2) + self.to_ras[:3, 3]


def by_directions(volume: Volume, directions: Points) -> Pose:
    """The pose of a brain that wasn't found: given directions, about the centre of the signal's bounding box.

    Args:
        volume: (z, y, x) float32.
        directions: 3×3, right, anterior and superior as columns in the volume's RAS space.
    """
    where = np.argwhere(volume.array != 0)[:, ::-1]
    corners = box_corners(where.min(0), where.max(0))
    ends = transformed(index_to_ras(volume.grid), corners) @ directions
    low, high = ends.min(0), ends.max(0)
    to_ras = np.eye(4)
    to_ras[:3, :3], to_ras[:3, 3] = directions, directions @ ((low + high) / 2)
    half = np.minimum((high - low) / 2, LARGEST_BRAIN_MM / 2)
    return Pose(to_ras, float("nan"), float("nan"), -half, half, False)


def angle_between(a: Pose, b: Pose) -> float:
    """Angle of the rotation from one pose to the other, degrees."""
    return rotation_degrees(a.to_ras[:3, :3].T @ b.to_ras[:3, :3])
