"""What a closed mesh measures: area, volume, mean curvature.

The mean curvature is (k₁ + k₂) / 2, positive where the surface bulges: at an edge it is the length times the angle by
which the normal turns, half of it (Steiner's formula for polyhedra; Cohen-Steiner and Morvan, SoCG 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.surfaces.mesh import Mesh

Values = npt.NDArray[np.float64]
#: How often a vertex's curvature is shared among its neighbours.
SPREAD = 3
_TINY = 1e-12


@dataclass(frozen=True)
class Shape:
    """Measures of a closed surface.

    Attributes:
        area: mm².
        volume: mm³, enclosed.
        mean_curvature: 1/mm, mean over the area, bulges positive and hollows negative.
        absolute_curvature: 1/mm, mean over the area of its absolute value, as FreeSurfer's tables have it.
    """

    area: float
    volume: float
    mean_curvature: float
    absolute_curvature: float


def shape_of(mesh: Mesh) -> Shape:
    """Measure a mesh.

    Absolute values are taken after each vertex has shared its curvature with its neighbours: a voxel's steps are
    no folds.

    Args:
        mesh: closed, in mm.
    """
    a, b, c = (mesh.points[mesh.triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    doubled = np.linalg.norm(normals, axis=1)
    area = float(doubled.sum()) / 2
    volume = float(np.einsum("ij,ij->", a - mesh.points.mean(axis=0), normals)) / 6
    edges, bends = _bends(mesh, normals / np.maximum(doubled, _TINY)[:, None])
    bent = np.asarray(np.bincount(edges.ravel(), np.repeat(bends / 2, 2), len(mesh.points)), np.float64)
    for _ in range(SPREAD):
        bent = _to_neighbours(edges, bent)
    return Shape(area, volume, float(bends.sum()) / area, float(np.abs(bent).sum()) / area)


def _bends(mesh: Mesh, normals: Values) -> tuple[npt.NDArray[np.int32], Values]:
    """All edges (E, 2), and the mean curvature of each, integrated over the area (E,), mm."""
    halves = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = halves.min(axis=1).astype(np.int64), halves.max(axis=1)
    order = np.argsort(low << 32 | high, kind="stable")
    one, other = order[::2], order[1::2]
    edges = halves[one]
    along = mesh.points[edges[:, 1]] - mesh.points[edges[:, 0]]
    length = np.linalg.norm(along, axis=1)
    first, second = normals[one // 3], normals[other // 3]
    sine = np.einsum("ij,ij->i", np.cross(first, second), along) / np.maximum(length, _TINY)
    return edges, length * np.arctan2(sine, np.einsum("ij,ij->i", first, second)) / 2


def _to_neighbours(edges: npt.NDArray[np.int32], values: Values) -> Values:
    """Each vertex's value, in equal parts for itself and its neighbours."""
    one, other = edges.T
    parts = values / (np.bincount(edges.ravel(), minlength=len(values)) + 1)
    beside = np.bincount(one, parts[other], len(values)) + np.bincount(other, parts[one], len(values))
    return np.asarray(parts + beside, np.float64)
