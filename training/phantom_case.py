"""Puts an analytic brain into a scanner: one case of a cohort from its plan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.grid import Grid, transformed
from feta.volumes import Volume
from training.appearance import draw_image
from training.cohort import CasePlan, SimulatedCase
from training.phantom import Phantom, draw_phantom
from training.phantom_tissues import draw_tissues
from training.simple_points import grow_tissues
from training.sites import draw_grid, draw_rotation
from training.solids import Points

#: From the phantom's frame (right, anterior, superior) to LPS.
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
#: Slices that are drawn at once: bounds the memory.
_SLAB = 16


def make_phantom_case(plan: CasePlan) -> SimulatedCase:
    """Draw a case."""
    rng = np.random.default_rng(plan.seed)
    brain = draw_phantom(rng, plan.age, plan.pathological, plan.site.voxel)
    grid = draw_grid(plan.site, rng)
    pose = _draw_pose(brain, grid, plan.site.turn, rng)
    labels = phantom_labels(brain, grid, pose)
    image = draw_image(labels, plan.site, plan.age, plan.quality, rng)
    landmarks = {m: transformed(pose, ends) for m, ends in brain.landmarks().items()}
    return SimulatedCase(Volume(image, grid), Volume(labels, grid), brain.lengths, landmarks)


def phantom_labels(brain: Phantom, grid: Grid, pose: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Label map (z, y, x) with exactly the expected Betti numbers.

    Args:
        brain: what is drawn.
        grid: where.
        pose: 4×4, from the phantom's frame to the image's physical space (LPS), mm.
    """
    to_brain = np.linalg.inv(pose) @ grid.affine()
    labels = np.empty(grid.shape, np.uint8)
    left = np.empty(grid.shape, bool)
    for start in range(0, grid.shape[0], _SLAB):
        slab = slice(start, min(start + _SLAB, grid.shape[0]))
        points = _points(to_brain, grid, slab)
        labels[slab] = draw_tissues(brain, points)
        left[slab] = points[0] < 0
    return grow_tissues(labels, left)


def _points(to_brain: npt.NDArray[np.float64], grid: Grid, slab: slice) -> Points:
    """Positions of a slab's voxels in the phantom's frame, three arrays (z, y, x)."""
    z, y, x = np.meshgrid(
        np.arange(slab.start, slab.stop), np.arange(grid.size[1]), np.arange(grid.size[0]), indexing="ij", sparse=True
    )
    a = to_brain
    first, second, third = ((a[i, 0] * x + a[i, 1] * y + a[i, 2] * z + a[i, 3]).astype(np.float32) for i in range(3))
    return first, second, third


def _draw_pose(brain: Phantom, grid: Grid, turn: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """4×4 pose of the head: turned a little, near the middle of the grid."""
    pose = np.eye(4)
    pose[:3, :3] = draw_rotation(turn, rng) @ _TO_LPS
    middle = grid.corners().mean(axis=0) + rng.uniform(-2, 2, 3)
    # The middle of the head, posterior fossa included, lies below that of the cerebrum.
    pose[:3, 3] = middle - pose[:3, :3] @ np.array([0, 0, -0.22 * brain.height])
    return pose
