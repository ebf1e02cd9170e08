"""What the further lengths share: a structure's outline in a plane or as a silhouette, and a line in a plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import Tissue
from inference.biometry.line import Line
from inference.biometry.mask_operations import SMALLEST_AREA_MM2, Mask
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.section import LEVEL, SLAB_MM, SMOOTH_MM, TRUNCATE, Plane, plane, smoothed

#: A line in the upright frame, mm; or in a few words why there is none.
Found = Line | str
#: A structure that is fewer voxels across in its plane has no outline.
FEWEST_VOXELS = 3
Ends = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def section(
    aligned: AlignedLabels,
    tissue: Tissue,
    axis: int,
    position: float,
    smallest_mm2: float = SMALLEST_AREA_MM2,
    side: tuple[float, float] = (-np.inf, np.inf),
) -> Plane | None:
    """The largest part of a tissue in a plane; None where it is too small to be measured.

    Args:
        aligned: the upright label map.
        tissue: of which label.
        axis: across the plane: 0 x, 1 y, 2 z.
        position: of the plane, mm.
        smallest_mm2: area from which on it is measured.
        side: least and greatest x of what counts, mm.
    """
    middle, reach = aligned.index(axis, position), _reach(aligned, SLAB_MM)
    box = [slice(None)] * 3
    box[2 - axis] = slice(max(middle - reach, 0), middle + reach + 1)
    mask = aligned.labels[tuple(box)] == tissue
    if side != (-np.inf, np.inf):
        x = aligned.origin[0] + aligned.spacing * np.arange(mask.shape[2])
        mask &= (x >= side[0]) & (x <= side[1])
    if not mask.any():
        return None
    # Only around the tissue: smoothing is what takes time.
    for across in {0, 1, 2} - {2 - axis}:
        met = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != across)))
        margin = _reach(aligned, SMOOTH_MM)
        box[across] = slice(max(int(met[0]) - margin, 0), int(met[-1]) + margin + 1)
    origin = aligned.origin + aligned.spacing * np.array([b.start for b in box[::-1]])
    cut = tuple(slice(None) if across == 2 - axis else box[across] for across in range(3))
    found = plane(mask[cut], origin, aligned.spacing, axis, position).largest_part()
    inside = found.field >= LEVEL
    thinnest = min(int(inside.any(axis=way).sum()) for way in (0, 1))
    return found if found.area >= smallest_mm2 and thinnest >= FEWEST_VOXELS else None


def silhouette(aligned: AlignedLabels, mask: Mask, x: float, half_width: float) -> Plane:
    """All of a mask (z, y, x) between two sagittal planes, seen from the side.

    Args:
        aligned: where the mask lies.
        mask: of its shape.
        x: middle between the planes, mm.
        half_width: from it to each plane, mm.
    """
    first, last = (aligned.index(0, x + way * half_width) for way in (-1, 1))
    seen = np.asarray(mask[:, :, first : last + 1].any(axis=2))
    return Plane(smoothed(seen, aligned.spacing), aligned.origin[1:], aligned.spacing).largest_part()


def mask_of(aligned: AlignedLabels, tissues: tuple[Tissue, ...]) -> Mask:
    """(z, y, x) where the label is one of some tissues."""
    table = np.zeros(256, bool)
    table[list(tissues)] = True
    return np.asarray(table[aligned.labels])


def line_in_plane(axis: int, position: float, ends: Ends) -> Line:
    """A line whose ends (2,) lie in a plane across an axis."""
    start, end = (np.insert(e, axis, position).tolist() for e in ends)
    return Line((start[0], start[1], start[2]), (end[0], end[1], end[2]))


def _reach(aligned: AlignedLabels, width_mm: float) -> int:
    """How many voxels smoothing reaches, and one more."""
    return int(np.ceil(2 * TRUNCATE * width_mm / aligned.spacing)) + 2
