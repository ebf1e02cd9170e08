"""The same anatomy in the same order of axes, however a file stores it and whatever its header calls the directions.

Axes are permuted and mirrored, without interpolation, into an order that follows either from the header or from the
voxels. The order from the voxels gives the same result to the voxel for the 48 ways of storing one volume (unless its
signal is symmetric: the storage then decides between the ways that look alike), and under any header: a fetus lies in
any direction, so that the header's directions carry no information about its brain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.profiles import profiles

#: From LPS to RAS mm and back; that of `inference.geometry.frames` would import torch.
_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


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

    @classmethod
    def by_content(cls, volume: Volume) -> Reorientation:
        """The reorientation that follows from the voxels, whichever way they are stored.

        Signal extends least along x and most along z (its variance in mm²) and thins out towards higher y and z (its
        skewness); x runs such that the axes are right-handed in physical space, so that nothing is mirrored.
        """
        signal = profiles(np.ascontiguousarray(volume.array))
        moments = [_spread(profile, step) for profile, step in zip(signal, volume.grid.spacing, strict=True)]
        x, y, z = sorted(range(3), key=lambda i: moments[i][0])
        mirrored = [False, moments[y][1] < 0, moments[z][1] < 0]
        turned = np.reshape(volume.grid.direction, (3, 3))[:, [x, y, z]] * np.where(mirrored, -1.0, 1.0)
        return cls((x, y, z), (bool(np.linalg.det(turned) < 0), mirrored[1], mirrored[2]))

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


@dataclass(frozen=True)
class CanonicalVolume:
    """A volume without its header's directions.

    Attributes:
        original: the volume as it is stored.
        volume: the same voxels in the order that follows from their content; axes run along its physical ones, and the
            middle of the grid is its origin.
        order: how the voxels were put in order.
        to_ras: 4×4 from this volume's RAS mm to the original's; a rigid motion.
    """

    original: Volume
    volume: Volume
    order: Reorientation
    to_ras: npt.NDArray[np.float64]

    @classmethod
    def of(cls, volume: Volume) -> CanonicalVolume:
        """A volume (z, y, x) of whose header only the voxels' size and handedness are used."""
        order = Reorientation.by_content(volume)
        ordered = order.apply(volume)
        middle = np.multiply(ordered.grid.spacing, np.subtract(ordered.grid.size, 1)) / 2
        x, y, z = (-float(m) for m in middle)
        canonical = replace(ordered.grid, origin=(x, y, z), direction=tuple(np.eye(3).ravel().tolist()))
        to_lps = ordered.grid.affine() @ np.linalg.inv(canonical.affine())
        to_ras = _LPS_RAS @ to_lps @ _LPS_RAS
        return cls(volume, Volume(ordered.array, canonical), order, to_ras)


def _spread(profile: npt.NDArray[np.float64], step: float) -> tuple[float, float]:
    """Variance (mm²) and third central moment (mm³) of signal along an axis with voxels ``step`` mm apart."""
    share = profile / max(float(profile.sum()), 1e-30)
    place = step * np.arange(len(profile))
    off = place - share @ place
    return float(share @ off**2), float(share @ off**3)
