"""A head whose five lengths are known by construction, as label map and as image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.labels import Tissue
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.geometry.segmentation_result import Segmentation

#: Extent, mm: half axes (x, y, z) of each ellipsoid, and its centre in the brain frame.
SKULL = (38.0, 46.0, 38.0)
BRAIN = (33.0, 41.0, 33.0)
CORTEX_MM = 3.0
TILT = np.deg2rad(15)

LENGTHS = {
    Measurement.LCC: 36.0,
    Measurement.HV: 18.0,
    Measurement.BBIP: 66.0,
    Measurement.SBIP: 76.0,
    Measurement.TCD: 34.0,
}
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """An image whose intensity is 100 times the label, so that a stand-in segmenter can read it off."""

    image: Volume
    labels: Volume


def tissue_at(points: Points) -> npt.NDArray[np.uint8]:
    """Labels at positions (..., 3), (x right, y anterior, z superior) in mm of the brain frame."""
    x, y, z = np.moveaxis(points, -1, 0)
    labels = np.zeros(x.shape, np.uint8)
    labels[_inside(points, SKULL)] = Tissue.ECSF
    labels[_inside(points, BRAIN)] = Tissue.GM
    labels[_inside(points, tuple(a - CORTEX_MM for a in BRAIN)) & (np.abs(x) > 2.5)] = Tissue.WM
    # Two lateral ventricles, the third between them; around them deep grey matter in front of the atria.
    for side in (-1, 1):
        labels[_inside(points, (5.0, 8.0, 5.0), (side * 12.0, -12.0, 0.0))] = Tissue.VM
        labels[_inside(points, (8.0, 10.0, 8.0), (side * 10.0, 0.0, -2.0))] = Tissue.SGM
    arch = np.hypot(y / 18.0, z / 14.0)
    middle = np.abs(x) <= 4.0
    labels[middle & (arch < 1) & (z > -4)] = Tissue.WM
    labels[middle & (np.hypot(y / 15.5, z / 11.5) < 1) & (z > -4)] = Tissue.VM
    labels[_inside(points, (4.0, 4.0, 3.0))] = Tissue.SGM
    labels[stem(points)] = Tissue.BSM
    labels[vermis(points) | cerebellum(points)] = Tissue.CBM
    return labels


def callosum_at(points: Points) -> npt.NDArray[np.bool_]:
    """The arch of white matter that ``tissue_at`` draws in the midline."""
    x, y, z = np.moveaxis(points, -1, 0)
    return (np.abs(x) <= 4.0) & (z > -4) & (np.hypot(y / 18.0, z / 14.0) < 1) & (np.hypot(y / 15.5, z / 11.5) >= 1)


def tilted(points: Points, y: float, z: float) -> tuple[Points, Points]:
    """Coordinates along the brainstem's axis and behind it, from a centre in the midline."""
    y, z = points[..., 1] - y, points[..., 2] - z
    return z * np.cos(TILT) + y * np.sin(TILT), y * np.cos(TILT) - z * np.sin(TILT)


def stem(points: Points) -> npt.NDArray[np.bool_]:
    """A tilted column in the midline."""
    along, behind = tilted(points, -8.0, -18.0)
    return (np.abs(along) <= 14.0) & (np.abs(behind) <= 5.0) & (np.abs(points[..., 0]) <= 6.0)


def vermis(points: Points) -> npt.NDArray[np.bool_]:
    """A tilted elliptic disc behind the brainstem, 18 mm parallel to it."""
    along, behind = tilted(points, -22.0, -20.0)
    return (np.hypot(along / 9.0, behind / 6.0) <= 1.0) & (np.abs(points[..., 0]) <= 4.0)


def cerebellum(points: Points) -> npt.NDArray[np.bool_]:
    """Two hemispheres, 34 mm from side to side."""
    return _inside(points, (17.0, 7.0, 6.0), (0.0, -22.0, -20.0))


def _inside(points: Points, half_axes: tuple[float, ...], centre: tuple[float, ...] = (0.0, 0.0, 0.0)) -> npt.NDArray:
    return (((points - np.asarray(centre)) / np.asarray(half_axes)) ** 2).sum(axis=-1) < 1


def make_head(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    turn: npt.NDArray[np.float64] | None = None,
    missing: tuple[Tissue, ...] = (),
) -> Head:
    """Put the head on a grid.

    Args:
        spacing: mm along the image's (x, y, z).
        turn: 3×3 rotation of the image's axes against the head; none by default (axis codes R-A-S).
        missing: tissues that this head has not; external CSF takes their place.
    """
    ras_to_lps = np.diag([-1.0, -1.0, 1.0])
    direction = ras_to_lps @ (np.eye(3) if turn is None else turn)
    size = np.ceil(np.full(3, 100.0) / spacing).astype(int)
    origin = -direction @ (np.asarray(spacing) * (size - 1) / 2) + [3.0, -5.0, 7.0]
    grid = Grid(tuple(size.tolist()), spacing, tuple(origin.tolist()), tuple(direction.ravel().tolist()))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")[::-1], axis=-1)
    matrix = grid.affine()
    lps = index @ matrix[:3, :3].T + matrix[:3, 3]
    labels = tissue_at((lps - [3.0, -5.0, 7.0]) @ ras_to_lps)
    labels[np.isin(labels, missing)] = Tissue.ECSF
    image = labels.astype(np.float32) * 100
    return Head(Volume(image, grid), Volume(labels, grid))


#: From physical LPS mm to the brain frame of every head made here.
TO_CANONICAL = np.array([[-1.0, 0, 0, 3.0], [0, -1.0, 0, -5.0], [0, 0, 1.0, -7.0], [0, 0, 0, 1.0]])


def stand_in(volume: Volume) -> Segmentation:
    """Read the labels off the image's intensities."""
    return Segmentation(Volume(np.rint(volume.array / 100).astype(np.uint8), volume.grid), TO_CANONICAL)
