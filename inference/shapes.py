"""Small pieces of geometry on masks that the measurements share."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from inference.landmarks import Line
from inference.upright import SPACING

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

#: Half the thickness (mm) of the slab that is taken for a plane: a majority over it is steadier than one slice.
HALF_SLAB_MM = 1.2
#: Structures smaller than this in their plane (mm²) or in space (mm³) can't be measured.
SMALLEST_AREA_MM2 = 12.0
SMALLEST_VOLUME_MM3 = 150.0


def widest_row(mask: Mask) -> int:
    """The middle one of the rows of a (y, x) mask that are widest from first to last pixel."""
    first = mask.argmax(axis=1)
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    width = np.where(mask.any(axis=1), last - first + 1, 0)
    rows = np.flatnonzero(width == width.max())
    return int(rows[len(rows) // 2])


def largest(mask: Mask) -> Mask | None:
    """The largest part of a mask that hangs together by its voxels' faces (pixels' edges), None of an empty mask."""
    if not mask.any():
        return None
    connectivity = 4 if mask.ndim == 2 else 6
    largest = cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=connectivity)
    return np.asarray(largest > 0)


def principal_axis(points: Points) -> npt.NDArray[np.float64]:
    """Unit vector along which points (N, 2) spread most, its second coordinate positive."""
    _, vectors = np.linalg.eigh(np.cov(points.T))
    axis = vectors[:, -1]
    return axis if axis[1] >= 0 else -axis


def lengthened(start: tuple[float, ...], end: tuple[float, ...]) -> Line:
    """A line from voxel centre to voxel centre, drawn out by half a voxel at both ends, where the structure ends."""
    a, b = np.asarray(start), np.asarray(end)
    way = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6) * SPACING / 2
    (ax, ay, az), (bx, by, bz) = (a - way).tolist(), (b + way).tolist()
    return Line((ax, ay, az), (bx, by, bz))
