"""The voxel grid of a volume in physical space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Grids whose corners lie closer than this (mm) are the same grid.
GRID_TOLERANCE_MM = 1e-3


def transformed(matrix: npt.NDArray[np.floating], points: npt.NDArray) -> npt.NDArray[np.float64]:
    """Points after an affine transform.

    Args:
        matrix: 4×4, acts on columns (x, y, z, 1).
        points: (N, 3), (x, y, z).

    Returns:
        (N, 3) float64.
    """
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3], np.float64)


def box_corners(low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray:
    """The corners (8, 3), (x, y, z), of an axis-aligned box from its least and greatest x, y, z."""
    sides = zip(np.asarray(low), np.asarray(high), strict=True)
    return np.array(np.meshgrid(*sides, indexing="ij")).reshape(3, -1).T


@dataclass(frozen=True)
class Grid:
    """Size, spacing, origin and direction in SimpleITK's order (x, y, z), physical space in LPS mm.

    Attributes:
        size: voxels along (x, y, z); the array is ``size[::-1]``.
        spacing: mm along (x, y, z).
        origin: physical position (mm, LPS) of the centre of voxel (0, 0, 0).
        direction: 3×3 row-major matrix, columns are the axes' unit vectors.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the array, (z, y, x)."""
        return (self.size[2], self.size[1], self.size[0])

    @property
    def diagonal_mm(self) -> float:
        """Length of the image's diagonal, √Σ(nᵢ·sᵢ)², in mm."""
        return float(np.linalg.norm(np.multiply(self.size, self.spacing)))

    def affine(self) -> npt.NDArray[np.float64]:
        """4×4 matrix from voxel index (x, y, z) to physical mm (LPS)."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def corners(self) -> npt.NDArray[np.float64]:
        """Physical positions (8, 3) of the centres of the corner voxels, mm."""
        return transformed(self.affine(), box_corners((0, 0, 0), np.subtract(self.size, 1)))

    def difference(self, other: Grid, tolerance_mm: float = GRID_TOLERANCE_MM) -> str | None:
        """Say how another grid differs from this one; None where it is the same.

        Args:
            other: the grid to compare.
            tolerance_mm: largest distance allowed between the same corner of both.
        """
        if self.size != other.size:
            return f"its size is {other.size}, not {self.size}"
        gap = float(np.abs(self.corners() - other.corners()).max())
        if gap > tolerance_mm:
            for name in ("spacing", "origin", "direction"):
                mine, theirs = getattr(self, name), getattr(other, name)
                if not np.allclose(mine, theirs, atol=1e-6):
                    return f"its {name} is {_short(theirs)}, not {_short(mine)} (corners up to {gap:.3g} mm apart)"
            return f"its corners lie up to {gap:.3g} mm apart"
        return None


def _short(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{v:g}" for v in values) + ")"


Matrix = npt.NDArray[np.floating]


def scipy_affine(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Matrix (3, 3) and offset (3,) for ``scipy.ndimage.affine_transform``, whose axes are (z, y, x).

    Args:
        matrix: 4×4 from index (x, y, z) of the result to index (x, y, z) of the input.
    """
    return matrix[:3, :3][::-1, ::-1], matrix[:3, 3][::-1]
