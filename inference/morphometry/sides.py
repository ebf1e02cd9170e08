"""The fetus's left and right: which tissue lies on which side of the mid-sagittal plane.

A label map tells up (the brainstem lies below) and front (the cerebellum lies behind), and both sides look alike. Which
of them is the right one follows from up and front, and from whether the header's axes are right- or left-handed, never
from what it calls its axes: a fetus lies in any direction. So a volume whose array and header are mirrored together
keeps its sides, one whose array alone is mirrored swaps them, and without an orientation in the header they are
unknown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from feta.grid import Grid
from feta.labels import LABEL_COUNT, Tissue, foreground_box
from feta.machine import allowed_threads
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels

LEFT, RIGHT = "left", "right"
SIDES = (LEFT, RIGHT)
#: Of these the halves are told; those of cerebellum and brainstem are of no use apart.
HALVED = (Tissue.GM, Tissue.WM, Tissue.VM)
#: Cortex this near the plane (mm) goes with the nearest white matter, which is sought so far from it, so finely.
NEAR_MM, REACH_MM, THINNED_MM = 6.0, 14.0, 1.0


def why_unknown(grid: Grid) -> str:
    """Why a header doesn't tell left from right, in a few words; "" where it does."""
    header = grid.header
    if header is None:  # made in memory, with an orientation of its own
        return ""
    if max(header.codes) <= 0:
        return "there is no affine (in a file: qform_code and sform_code are 0)"
    if min(header.codes) > 0 and np.linalg.det(header.qform()[:3, :3]) * np.linalg.det(header.sform()[:3, :3]) < 0:
        return "the header's qform and sform are mirror images of each other"
    return ""


def halves(labels: Volume, aligned: AlignedLabels) -> dict[tuple[Tissue, str], int]:
    """Voxels of each halved tissue, left and right.

    A voxel belongs to the side of the mid-sagittal plane on which its centre lies. But the cortex lines the fissure
    between the hemispheres, where half a millimetre decides over millilitres: near the plane it goes with the nearer
    white matter, and by halves where both are as near.

    Args:
        labels: uint8 (z, y, x), not empty.
        aligned: the same, upright: gives the plane.
    """
    box = foreground_box(labels.array)
    assert box is not None
    array = labels.array[box]
    across = across_plane(labels.grid, aligned, tuple(s.start for s in box), array.shape)
    right = across > 0
    counts = np.bincount((array + LABEL_COUNT * right).ravel(), minlength=2 * LABEL_COUNT)
    found = {(t, side): int(counts[t + LABEL_COUNT * (side == RIGHT)]) for t in HALVED for side in SIDES}
    cortex = _by_white_matter(array, across, labels.grid.spacing)
    return found | {(Tissue.GM, side): n for side, n in cortex.items()}


def across_plane(
    grid: Grid, aligned: AlignedLabels, start: tuple[int, ...], shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Position x (mm, to the right) in the upright frame of the voxels (z, y, x) of a box that begins at ``start``."""
    row = (aligned.from_physical @ grid.affine())[0]
    z, y, x = ((row[2 - axis] * (np.arange(shape[axis]) + start[axis])).astype(np.float32) for axis in range(3))
    return np.asarray((z[:, None, None] + np.float32(row[3])) + y[:, None] + x, np.float32)


def _by_white_matter(
    array: npt.NDArray[np.uint8], across: npt.NDArray[np.float32], spacing: tuple[float, float, float]
) -> dict[str, int]:
    """Voxels of the cortex by side, near the plane by the nearer white matter; nothing where a side has none.

    Args:
        array: labels (z, y, x).
        across: mm to the right of the plane, of each voxel.
        spacing: mm along (x, y, z).
    """
    cortex, steps = array == Tissue.GM, np.array(spacing)[::-1]
    distance = np.abs(across)
    near = np.argwhere(cortex & (distance < NEAR_MM)) * steps
    far = int(np.count_nonzero(cortex & (distance >= NEAR_MM) & (across > 0)))
    if not len(near):
        return {}
    white = (array == Tissue.WM) & (distance < REACH_MM)
    # Every few voxels: hemispheres are farther apart than that.
    z, y, x = (max(1, round(THINNED_MM / step)) for step in steps)
    thinned = np.zeros_like(white)
    thinned[::z, ::y, ::x] = white[::z, ::y, ::x]
    sides = [np.argwhere(thinned & ((across > 0) == right)) for right in (False, True)]
    if not all(map(len, sides)):
        return {}
    threads = allowed_threads()
    left, right = (cKDTree(places * steps).query(near, workers=threads)[0] for places in sides)
    alike = np.abs(left - right) < THINNED_MM / 2
    on_right = far + int(np.count_nonzero((right < left) & ~alike)) + int(np.count_nonzero(alike)) // 2
    return {LEFT: int(np.count_nonzero(cortex)) - on_right, RIGHT: on_right}
