"""The five lengths by geometry on the label map.

Definitions follow the FeTA 2024 biometry task: LCC and HV in the mid-sagittal plane, HV
parallel to the brainstem; bBIP and sBIP in the axial plane through the atria, sBIP from
inner table to inner table, which is where the external CSF ends; TCD in the coronal plane.
Each is None where its structure is absent or too small to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.landmarks import Line
from inference.upright import SPACING, Matrix, Upright, turn_upright

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

#: Half the thickness (mm) of the slab that is taken for a plane: a median over it is steadier than one slice.
HALF_SLAB_MM = 1.2
#: The corpus callosum is the white matter this close (mm) to ventricles, cavum and deep grey matter.
CALLOSUM_REACH_MM = 3.0
#: Its genu and splenium reach no further than this (mm) below the middle of those.
CALLOSUM_DROP_MM = 2.0
#: Structures smaller than this in their plane (mm²) or in space (mm³) can't be measured.
SMALLEST_AREA_MM2 = 12.0
SMALLEST_VOLUME_MM3 = 150.0
#: What a length can be of the brain's width, in any patient; beyond that, the label map is at fault. The published
#: means lie at 0.42–0.52, 0.19–0.25 and 0.43–0.58, those of the spina bifida atlas at 0.42–0.64, 0.24–0.34, 0.36–0.49.
SHARE_OF_WIDTH = {Measurement.LCC: (0.28, 0.80), Measurement.HV: (0.10, 0.45), Measurement.TCD: (0.20, 0.85)}
CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM)


def measure(labels: Volume, to_canonical: Matrix) -> dict[Measurement, Line | None]:
    """Measure the five lengths.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        to_canonical: 4×4 from physical LPS mm to the brain frame (x right, y anterior, z superior);
            some degrees off does no harm.

    Returns:
        ends of each length in physical LPS mm, None where it can't be measured.
    """
    upright = turn_upright(labels, to_canonical)
    if upright is None:
        return dict.fromkeys(MEASUREMENTS)
    brain, skull = _biparietal(upright)
    found = {
        Measurement.LCC: _callosum(upright),
        Measurement.HV: _vermis(upright),
        Measurement.BBIP: brain,
        Measurement.SBIP: skull,
        Measurement.TCD: _cerebellum(upright),
    }
    sane = {m: line for m, line in found.items() if line is not None and _in_proportion(m, line, brain)}
    return {m: sane[m].moved(upright.to_physical) if m in sane else None for m in MEASUREMENTS}


def _in_proportion(measurement: Measurement, line: Line, width: Line | None) -> bool:
    """Whether a length suits the brain's width, where both are known."""
    if width is None or measurement not in SHARE_OF_WIDTH:
        return True
    low, high = SHARE_OF_WIDTH[measurement]
    return low <= line.length / width.length <= high


@dataclass(frozen=True)
class MidSagittal:
    """The labels of the mid-sagittal slab, each pixel the one that most of its slices hold."""

    upright: Upright

    def mask(self, *tissues: Tissue) -> Mask:
        """(z, y) pixels where at least half of the slab is one of some tissues."""
        labels = self.upright.labels
        first, last = (self.upright.index(0, x) for x in (-HALF_SLAB_MM, HALF_SLAB_MM))
        return np.isin(labels[:, :, first : last + 1], tissues).mean(axis=2) >= 0.5

    def points(self, mask: Mask) -> Points:
        """Positions (N, 2), (y, z) in mm, of a mask's pixels."""
        return np.argwhere(mask)[:, ::-1] * SPACING + self.upright.origin[1:]


def _callosum(upright: Upright) -> Line | None:
    """From the foremost point of the genu to the hindmost of the splenium, in the mid-sagittal plane."""
    plane = MidSagittal(upright)
    inner = plane.mask(Tissue.VM, Tissue.SGM)
    if not inner.any():
        return None
    distance = ndimage.distance_transform_edt(~inner) * SPACING
    # Below, white matter of the gyrus rectus can touch the genu.
    lowest = np.median(np.nonzero(inner)[0]) - CALLOSUM_DROP_MM / SPACING
    above = np.arange(len(inner))[:, None] >= lowest
    callosum = _largest(plane.mask(Tissue.WM) & (distance <= CALLOSUM_REACH_MM) & above)
    if callosum is None or callosum.sum() * SPACING**2 < SMALLEST_AREA_MM2:
        return None
    points = plane.points(callosum)
    ends = [
        points[np.abs(points[:, 0] - y) < SPACING / 2].mean(axis=0) for y in (points[:, 0].max(), points[:, 0].min())
    ]
    return _lengthened((0.0, *ends[0]), (0.0, *ends[1]))


def _vermis(upright: Upright) -> Line | None:
    """The vermis's extent along the brainstem's principal axis, in the mid-sagittal plane."""
    plane = MidSagittal(upright)
    vermis, stem = _largest(plane.mask(Tissue.CBM)), _largest(plane.mask(Tissue.BSM))
    for mask in (vermis, stem):
        if mask is None or mask.sum() * SPACING**2 < SMALLEST_AREA_MM2:
            return None
    assert vermis is not None and stem is not None
    axis = _principal_axis(plane.points(stem))
    points = plane.points(vermis)
    centre = points.mean(axis=0)
    along = (points - centre) @ axis
    top, bottom = centre + along.max() * axis, centre + along.min() * axis
    return _lengthened((0.0, *top), (0.0, *bottom))


def _cerebellum(upright: Upright) -> Line | None:
    """The greatest width of the cerebellum over all coronal planes."""
    mask = _largest(upright.labels == Tissue.CBM)
    if mask is None or mask.sum() * SPACING**3 < SMALLEST_VOLUME_MM3:
        return None
    # (y, x): where the cerebellum lies, looked at from above.
    y = _widest_row(np.asarray(mask.any(axis=0)))
    return _across(upright, mask[:, y], y=y)


def _across(upright: Upright, coronal: Mask, y: int) -> Line:
    """The line across a coronal mask (z, x), at the mean height of its two outermost points."""
    columns = np.flatnonzero(coronal.any(axis=0))
    left, right = columns[0], columns[-1]
    z = float(np.mean([np.flatnonzero(coronal[:, x]).mean() for x in (left, right)]))
    start, end = (np.array([x, y, z]) * SPACING + upright.origin for x in (left, right))
    return _lengthened(tuple(start), tuple(end))


def _biparietal(upright: Upright) -> tuple[Line | None, Line | None]:
    """Brain and skull width in the axial plane through the atria, both on the row where the brain is widest."""
    brain = _largest(np.isin(upright.labels, CEREBRUM))
    if brain is None or brain.sum() * SPACING**3 < SMALLEST_VOLUME_MM3:
        return None, None
    z = upright.index(2, _atria_height(upright))
    axial = _slab(brain, upright, z)
    if not axial.any():
        return None, None
    head = _largest(upright.labels != Tissue.BACKGROUND)
    assert head is not None
    y = _widest_row(axial)
    skull = _slab(head, upright, z)
    return _row(upright, axial, y, z), _row(upright, skull | axial, y, z)


def _slab(mask: Mask, upright: Upright, z: int) -> Mask:
    """(y, x) pixels that at least half of an axial slab holds."""
    half = round(HALF_SLAB_MM / SPACING)
    return mask[max(z - half, 0) : z + half + 1].mean(axis=0) >= 0.5


def _row(upright: Upright, axial: Mask, y: int, z: int) -> Line:
    columns = np.flatnonzero(axial[y])
    start, end = (np.array([x, y, z]) * SPACING + upright.origin for x in (columns[0], columns[-1]))
    return _lengthened(tuple(start), tuple(end))


def _atria_height(upright: Upright) -> float:
    """Height z (mm) of the atria: the ventricles right behind the deep grey matter, else the brain's middle."""
    grey = upright.positions(upright.labels == Tissue.SGM)
    ventricles = upright.positions(upright.labels == Tissue.VM)
    if len(grey) and len(ventricles):
        behind = float(np.percentile(grey[:, 1], 2))
        # Off the midline: neither the third nor the fourth ventricle.
        atria = ventricles[(np.abs(ventricles[:, 1] - behind) < 4.0) & (np.abs(ventricles[:, 0]) > 6.0)]
        if len(atria) * SPACING**3 > 10.0:
            return float(np.median(atria[:, 2]))
    if len(ventricles):
        return float(np.median(ventricles[:, 2]))
    return float(np.median(upright.positions(np.isin(upright.labels, CEREBRUM))[:, 2]))


def _widest_row(mask: Mask) -> int:
    """The middle one of the rows of a (y, x) mask that are widest from first to last pixel."""
    first = mask.argmax(axis=1)
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    width = np.where(mask.any(axis=1), last - first + 1, 0)
    rows = np.flatnonzero(width == width.max())
    return int(rows[len(rows) // 2])


def _largest(mask: Mask) -> Mask | None:
    """The largest part of a mask that hangs together by its voxels' faces (pixels' edges), None of an empty mask."""
    if not mask.any():
        return None
    connectivity = 4 if mask.ndim == 2 else 6
    largest = cc3d.largest_k(np.ascontiguousarray(mask), k=1, connectivity=connectivity)
    return np.asarray(largest > 0)


def _principal_axis(points: Points) -> npt.NDArray[np.float64]:
    """Unit vector along which points (N, 2) spread most, its second coordinate positive."""
    _, vectors = np.linalg.eigh(np.cov(points.T))
    axis = vectors[:, -1]
    return axis if axis[1] >= 0 else -axis


def _lengthened(start: tuple[float, ...], end: tuple[float, ...]) -> Line:
    """A line from voxel centre to voxel centre, drawn out by half a voxel at both ends, where the structure ends."""
    a, b = np.asarray(start), np.asarray(end)
    way = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6) * SPACING / 2
    (ax, ay, az), (bx, by, bz) = (a - way).tolist(), (b + way).tolist()
    return Line((ax, ay, az), (bx, by, bz))
