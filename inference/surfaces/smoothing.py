"""Smoothing of a mesh that came from voxels: vertices move, triangles stay, so that topology can't change.

Taubin's two steps (SIGGRAPH 1995), one that shrinks and one that swells, keep a sphere's size. No vertex leaves its
place between two voxels by more than half a voxel, as in Gibson's elastic surface nets (MICCAI 1998): what the label
map says stays true.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from inference.surfaces.mesh import Mesh

SHRINKS, SWELLS = 0.6, -0.62
ROUNDS = 20
#: Voxels along each axis.
FARTHEST = 0.5


def smoothed(mesh: Mesh, rounds: int = ROUNDS) -> Mesh:
    """The smoothed mesh.

    Args:
        mesh: of ``mesh_of``, positions in index.
        rounds: how many pairs of steps.
    """
    edges, count = mesh.edges(), len(mesh.points)
    both = np.concatenate([edges, edges[:, ::-1]])
    mean = csr_array((np.ones(len(both), np.float32), (both[:, 0], both[:, 1])), shape=(count, count))
    mean.data /= np.repeat(np.diff(mean.indptr), np.diff(mean.indptr)).astype(np.float32)
    start = mesh.points.astype(np.float32)
    moved = np.zeros_like(start)
    for _ in range(rounds):
        for strength in (SHRINKS, SWELLS):
            points = start + moved
            moved += np.float32(strength) * (mean @ points - points)
        np.clip(moved, -FARTHEST, FARTHEST, out=moved)
    return Mesh(np.asarray(mesh.points + moved, np.float64), mesh.triangles)
