"""A measured length is a line between two points; the points can be drawn and written as an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.measurements import LANDMARK_LABELS, Measurement

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Line:
    """A straight line from one landmark to the other.

    Attributes:
        start: one end, (x, y, z) in mm, LPS.
        end: the other end, likewise.
    """

    start: Point
    end: Point

    @property
    def length(self) -> float:
        """Distance in physical space, mm."""
        return float(np.linalg.norm(np.subtract(self.end, self.start)))

    def moved(self, matrix: npt.NDArray[np.floating]) -> Line:
        """The same line in another frame.

        Args:
            matrix: 4×4, from this line's frame to the other.
        """
        start, end = (
            tuple(float(v) for v in matrix[:3, :3] @ np.asarray(p) + matrix[:3, 3]) for p in (self.start, self.end)
        )
        return Line(start, end)  # type: ignore[arg-type]

    def stretched(self, length: float) -> Line:
        """The line about the same middle and in the same direction, of another length (mm)."""
        start, end = np.asarray(self.start), np.asarray(self.end)
        middle, half = (start + end) / 2, (end - start) / 2 * (length / self.length)
        (ax, ay, az), (bx, by, bz) = (middle - half).tolist(), (middle + half).tolist()
        return Line((ax, ay, az), (bx, by, bz))


def landmark_image(lines: Mapping[Measurement, Line], grid: Grid) -> npt.NDArray[np.uint8]:
    """Mark both ends of every line with the value of its measurement.

    Where two landmarks fall into the same voxel, the later one takes the nearest
    free neighbour, so that each value is held by exactly two voxels.

    Args:
        lines: ends in physical LPS mm.
        grid: of the image to write.

    Returns:
        (z, y, x) uint8, 0 where there is no landmark. Ends beyond the grid are put on its border.
    """
    image = np.zeros(grid.shape, np.uint8)
    to_index = np.linalg.inv(grid.affine())
    for measurement, line in lines.items():
        for point in (line.start, line.end):
            index = to_index[:3, :3] @ np.asarray(point) + to_index[:3, 3]
            image[_nearest_free(image, index[::-1])] = LANDMARK_LABELS[measurement]
    return image


def _nearest_free(image: npt.NDArray[np.uint8], position: npt.NDArray[np.float64]) -> tuple[int, int, int]:
    """The free voxel nearest to a position (z, y, x), in voxels."""
    centre = np.clip(np.rint(position), 0, np.subtract(image.shape, 1)).astype(int)
    offsets = np.array(np.meshgrid(*[range(-2, 3)] * 3, indexing="ij")).reshape(3, -1).T
    candidates = centre + offsets
    inside = ((candidates >= 0) & (candidates < image.shape)).all(axis=1)
    candidates = candidates[inside]
    free = candidates[image[tuple(candidates.T)] == 0]
    best = free[np.argmin(((free - centre) ** 2).sum(axis=1))]
    return (int(best[0]), int(best[1]), int(best[2]))
