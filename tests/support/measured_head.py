"""A head whose further lengths are known by construction: atria, poles, vermis and pons from closed formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Grid, Matrix
from feta.labels import Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels

Points = npt.NDArray[np.float64]
#: Half axes (x, y, z), mm, of the ellipsoids that brain and skull are.
SKULL, BRAIN = (38.0, 46.0, 38.0), (33.0, 41.0, 33.0)
#: Half axes of a ventricle along its depth and its height, and its middle beside the midline.
DEPTH, HEIGHT, MIDDLE = 12.0, 9.0, (13.0, -16.0, 0.0)
#: How far a ventricle leans outwards and the hindbrain backwards.
LEAN, TILT = np.deg2rad(25), np.deg2rad(15)
#: Half height and half width of the vermis; half thickness of the brainstem, and how far the pons stands out before it.
VERMIS, STEM, BELLY = (9.0, 6.0), 4.0, 4.0


@dataclass(frozen=True)
class MeasuredHead:
    """What is varied.

    Attributes:
        left: half width of the left ventricle, mm; 0 for none.
        right: of the right one.
        fastigium: how deep the fourth ventricle reaches into the vermis, mm.
    """

    left: float = 4.0
    right: float = 4.0
    fastigium: float = 0.0

    def at(self, points: Points) -> npt.NDArray[np.uint8]:
        """Labels at positions (..., 3), (x right, y anterior, z superior) in mm of the brain frame."""
        x = points[..., 0]
        labels = np.zeros(x.shape, np.uint8)
        labels[_inside(points, SKULL)] = Tissue.ECSF
        labels[_inside(points, BRAIN)] = Tissue.GM
        labels[_inside(points, tuple(a - 3.0 for a in BRAIN)) & (np.abs(x) > 2.5)] = Tissue.WM
        for side, half in ((-1, self.left), (1, self.right)):
            labels[_inside(points, (8.0, 10.0, 8.0), (side * 11.0, 0.0, 0.0))] = Tissue.SGM
            if half:
                labels[_ventricle(points, side, half)] = Tissue.VM
        along, forward = _tilted(points, -10.0, -22.0)
        front = STEM + BELLY * (np.abs(along) < 5.0)
        labels[(np.abs(along) < 18.0) & (forward > -STEM) & (forward < front) & (np.abs(x) < 7.0)] = Tissue.BSM
        along, forward = _tilted(points, -21.5, -20.0)
        notch = VERMIS[1] - forward < self.fastigium - np.abs(along)
        labels[(np.hypot(along / VERMIS[0], forward / VERMIS[1]) < 1) & (np.abs(x) < 12.0) & ~notch] = Tissue.CBM
        return labels

    def upright(self, spacing: float = 0.75) -> AlignedLabels:
        """On a grid along the axes."""
        low = np.array([-42.05, -50.03, -46.02])
        x, y, z = (np.arange(a, -a, spacing) for a in low)
        z, y, x = np.meshgrid(z, y, x, indexing="ij")
        return AlignedLabels(self.at(np.stack([x, y, z], axis=-1)), low, np.eye(4), spacing)

    def turned(self, turn: npt.NDArray[np.float64], spacing: float = 1.0) -> tuple[Volume, Matrix]:
        """A stored label map whose axes are turned (3×3) against the head, and the way to the brain frame."""
        to_lps = np.diag([-1.0, -1.0, 1.0])
        size = int(108 / spacing)
        direction = to_lps @ turn
        origin = -direction @ np.full(3, spacing * (size - 1) / 2) + [3.0, -5.0, 7.0]
        grid = Grid((size,) * 3, (spacing,) * 3, tuple(origin.tolist()), tuple(direction.ravel().tolist()))
        index = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij")[::-1], axis=-1)
        matrix = grid.affine()
        lps = index @ matrix[:3, :3].T + matrix[:3, 3]
        to_frame = np.eye(4)
        to_frame[:3, :3], to_frame[:3, 3] = to_lps, -to_lps @ [3.0, -5.0, 7.0]
        return Volume(self.at((lps - [3.0, -5.0, 7.0]) @ to_lps), grid), to_frame


def width_at(half: float, y: float) -> float:
    """Width (mm) of a ventricle of that half width in the coronal plane at y."""
    return float(2 * half * np.sqrt(1 - ((y - MIDDLE[1]) / DEPTH) ** 2))


def _ventricle(points: Points, side: int, half: float) -> npt.NDArray[np.bool_]:
    x, y, z = np.moveaxis(points - np.array(MIDDLE) * [side, 1, 1], -1, 0)
    x = side * x
    across, up = x * np.cos(LEAN) + z * np.sin(LEAN), z * np.cos(LEAN) - x * np.sin(LEAN)
    return (across / half) ** 2 + (y / DEPTH) ** 2 + (up / HEIGHT) ** 2 < 1


def _tilted(points: Points, y: float, z: float) -> tuple[Points, Points]:
    """Coordinates up along the hindbrain's axis and forward of it."""
    back, up = points[..., 1] - y, points[..., 2] - z
    return up * np.cos(TILT) + back * np.sin(TILT), back * np.cos(TILT) - up * np.sin(TILT)


def _inside(
    points: Points, half_axes: tuple[float, ...], centre: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> npt.NDArray[np.bool_]:
    return (((points - np.asarray(centre)) / np.asarray(half_axes)) ** 2).sum(axis=-1) < 1
