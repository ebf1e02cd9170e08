"""Reorientation by the header: the same anatomy in the same order of axes, however a file stores it.

A permutation and mirroring of axes, exact and free of interpolation, so that the 48 ways of storing one
volume give the same result to the voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from feta.grid import Grid
from feta.volumes import Volume


@dataclass(frozen=True)
class Reorientation:
    """How a grid's axes (x, y, z) are put in order.

    Attributes:
        order: for each physical axis (LPS), the index axis that runs closest to it.
        mirrored: whether that axis runs against it.
    """

    order: tuple[int, int, int]
    mirrored: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> Reorientation:
        """The reorientation after which each axis runs along its physical axis, as nearly as axes can."""
        direction = np.reshape(grid.direction, (3, 3))
        # The optimal assignment, so that no axis is taken twice on an oblique grid.
        _, order = linear_sum_assignment(-np.abs(direction))
        x, y, z = (int(axis) for axis in order)
        signs = [bool(direction[physical, axis] < 0) for physical, axis in enumerate((x, y, z))]
        return cls((x, y, z), (signs[0], signs[1], signs[2]))

    def apply(self, volume: Volume) -> Volume:
        """The volume with its axes in order; physical positions stay where they are."""
        grid, order = volume.grid, list(self.order)
        # The array's axes are (z, y, x): index axis i is array axis 2 − i.
        array = volume.array.transpose([2 - axis for axis in reversed(order)])
        array = np.flip(array, tuple(2 - i for i in range(3) if self.mirrored[i]))
        direction = np.reshape(grid.direction, (3, 3))[:, order] * np.where(self.mirrored, -1.0, 1.0)
        corner = np.zeros(3)
        for i, axis in enumerate(order):
            corner[axis] = grid.size[axis] - 1 if self.mirrored[i] else 0
        origin = (grid.affine() @ [*corner, 1])[:3]
        sizes, spacings = [grid.size[i] for i in order], [grid.spacing[i] for i in order]
        ordered = Grid(
            (sizes[0], sizes[1], sizes[2]),
            (spacings[0], spacings[1], spacings[2]),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            tuple(float(v) for v in direction.ravel()),
        )
        return Volume(np.ascontiguousarray(array), ordered)

    def undo(self, array: npt.NDArray) -> npt.NDArray:
        """An array (z, y, x) on the ordered grid, in the original order of axes."""
        array = np.flip(array, tuple(2 - i for i in range(3) if self.mirrored[i]))
        forward = [2 - axis for axis in reversed(self.order)]
        return np.ascontiguousarray(array.transpose(np.argsort(forward)))
