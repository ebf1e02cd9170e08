"""The fetus's left and right: which tissue lies on which side of the mid-sagittal plane.

A label map tells up (the brainstem lies below) and front (the cerebellum lies behind), and both sides look alike. Which
of them is the right one follows from up and front, and from whether the header's axes are right- or left-handed, never
from what it calls its axes: a fetus lies in any direction. So a volume whose array and header are mirrored together
keeps its sides, one whose array alone is mirrored swaps them, and without an orientation in the header they are
unknown.
"""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.labels import LABEL_COUNT, Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels

LEFT, RIGHT = "left", "right"
SIDES = (LEFT, RIGHT)
#: Of these the halves are told; those of cerebellum and brainstem are of no use apart.
HALVED = (Tissue.GM, Tissue.WM, Tissue.VM)
#: Two parts of the cortex are its hemispheres where the smaller is at least this share of the larger, and others are
#: no more than this share of all.
HEMISPHERE_SHARE, REST_SHARE = 0.6, 0.03


def why_unknown(grid: Grid) -> str:
    """Why a header doesn't tell left from right, in a few words; "" where it does."""
    header = grid.header
    if header is None:  # made in memory, with an orientation of its own
        return ""
    if max(header.codes) <= 0:
        return "the header has no orientation (qform_code and sform_code are 0)"
    if min(header.codes) > 0 and np.linalg.det(header.qform()[:3, :3]) * np.linalg.det(header.sform()[:3, :3]) < 0:
        return "the header's qform and sform are mirror images of each other"
    return ""


def halves(labels: Volume, aligned: AlignedLabels) -> dict[tuple[Tissue, str], int]:
    """Voxels of each halved tissue, left and right.

    A voxel belongs to the side of the mid-sagittal plane on which its centre lies; those of the cortex to their
    hemisphere, where the cortex falls into two parts, since gyri cross the plane.

    Args:
        labels: uint8 (z, y, x), not empty.
        aligned: the same, upright: gives the plane.
    """
    box = tuple(_used(labels.array, axis) for axis in range(3))
    array = labels.array[box]
    right = _across(labels.grid, aligned, tuple(s.start for s in box), array.shape) > 0
    counts = np.bincount((array + LABEL_COUNT * right).ravel(), minlength=2 * LABEL_COUNT)
    found = {(t, side): int(counts[t + LABEL_COUNT * (side == RIGHT)]) for t in HALVED for side in SIDES}
    hemispheres = _hemispheres(array == Tissue.GM, right)
    return found | {(Tissue.GM, side): n for side, n in hemispheres.items()}


def _used(array: npt.NDArray[np.uint8], axis: int) -> slice:
    used = np.flatnonzero(array.any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(int(used[0]), int(used[-1]) + 1)


def _across(
    grid: Grid, aligned: AlignedLabels, start: tuple[int, ...], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Position x (mm, to the right) in the upright frame of the voxels (z, y, x) of a box that begins at ``start``."""
    row = (aligned.from_physical @ grid.affine())[0]
    z, y, x = ((row[2 - axis] * (np.arange(shape[axis]) + start[axis])).astype(np.float32) for axis in range(3))
    return np.asarray((z[:, None, None] + np.float32(row[3])) + y[:, None] + x, np.float32)


def _hemispheres(cortex: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> dict[str, int]:
    """Voxels of the two parts into which a cortex falls, by side; nothing where it isn't two parts alike."""
    parts = cc3d.connected_components(cortex, connectivity=6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    if len(sizes) < 3:
        return {}
    second, first = np.argsort(sizes)[-2:]
    if sizes[second] < HEMISPHERE_SHARE * sizes[first]:
        return {}
    if sizes.sum() - sizes[first] - sizes[second] > REST_SHARE * sizes.sum():
        return {}
    on_right = {int(p): float(right[parts == p].mean()) for p in (first, second)}
    if (on_right[int(first)] > 0.5) == (on_right[int(second)] > 0.5):
        return {}
    return {RIGHT if share > 0.5 else LEFT: int(sizes[p]) for p, share in on_right.items()}
