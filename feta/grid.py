"""The voxel grid of a volume in physical space."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]
#: Grids whose corners lie closer than this (mm) are the same grid.
GRID_TOLERANCE_MM = 1e-3
#: A quaternion's real part, squared, that is taken for 0.
_HALF_TURN = 1e-7


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
class StoredGeometry:
    """The fields of a NIfTI header that place its voxels, as the file has them.

    Readers differ: ITK takes one of the two forms, nibabel, FSL and FreeSurfer may take the other. What is written
    for an image carries all of them, so that every reader sees it exactly where it sees the image.

    Attributes:
        codes: of qform and sform.
        pixdim: eight numbers; the first is the sign of the qform's third axis.
        quaternion: b, c, d and the offset (x, y, z) of the qform.
        rows: twelve numbers, the sform's three rows.
        units: the header's code of the units of space and time.
    """

    codes: tuple[int, int]
    pixdim: tuple[float, ...]
    quaternion: tuple[float, ...]
    rows: tuple[float, ...]
    units: int

    def qform(self) -> Matrix:
        """4×4, RAS: by the quaternion, as the NIfTI-1 standard defines it (method 2)."""
        vector, offset = np.array(self.quaternion[:3], np.float64), self.quaternion[3:]
        rest = 1.0 - float(vector @ vector)
        if rest < _HALF_TURN:  # half a turn, its digits rounded: as in the reference implementation
            vector, rest = vector / max(float(np.linalg.norm(vector)), 1e-30), 0.0
        a, (b, c, d) = np.sqrt(rest), vector
        rotation = [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
        matrix = np.eye(4)
        sign = -1.0 if self.pixdim[0] < 0 else 1.0
        matrix[:3, :3] = np.array(rotation) * np.multiply(self.pixdim[1:4], [1.0, 1.0, sign])
        matrix[:3, 3] = offset
        return matrix

    def sform(self) -> Matrix:
        """4×4, RAS (method 3)."""
        return np.vstack([np.reshape(self.rows, (3, 4)), [0.0, 0.0, 0.0, 1.0]])

    def disagreement(self, size: tuple[int, int, int]) -> float:
        """Largest distance between the same corner by either form, header units; 0 where one of them isn't set."""
        if min(self.codes) <= 0:
            return 0.0
        ends = box_corners((0, 0, 0), np.subtract(size, 1))
        return float(np.linalg.norm(transformed(self.qform(), ends) - transformed(self.sform(), ends), axis=1).max())


@dataclass(frozen=True)
class Grid:
    """Size, spacing, origin and direction in SimpleITK's order (x, y, z), physical space in LPS mm.

    Attributes:
        size: voxels along (x, y, z); the array is ``size[::-1]``.
        spacing: mm along (x, y, z).
        origin: physical position (mm, LPS) of the centre of voxel (0, 0, 0).
        direction: 3×3 row-major matrix, columns are the axes' unit vectors.
        stored: what the header of its file says, with the geometry that was made of it; see ``header``.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    stored: tuple[StoredGeometry, tuple] | None = field(default=None, compare=False, repr=False)

    def with_header(self, header: StoredGeometry) -> Grid:
        """This grid, read off such a header."""
        return replace(self, stored=(header, self._place()))

    @property
    def header(self) -> StoredGeometry | None:
        """What the header says that this grid was read off; None for any other grid, derived ones included."""
        return self.stored[0] if self.stored and self.stored[1] == self._place() else None

    def _place(self) -> tuple:
        return (self.size, self.spacing, self.origin, self.direction)

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


def scipy_affine(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Matrix (3, 3) and offset (3,) for ``scipy.ndimage.affine_transform``, whose axes are (z, y, x).

    Args:
        matrix: 4×4 from index (x, y, z) of the result to index (x, y, z) of the input.
    """
    return matrix[:3, :3][::-1, ::-1], matrix[:3, 3][::-1]
