"""Smooth solids as functions of a point: negative inside, about the distance to the surface in mm.

A point set is a tuple of three arrays of one shape (x, y, z), mm. Formulas for ellipsoid,
round cone and smooth union: I. Quilez, "Distance functions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: float32, or float64 where a caller wants it; NumPy's stubs lose the precision in mixed arithmetic.
Field = npt.NDArray[Any]
Points = tuple[Field, Field, Field]
Triple = tuple[float, float, float]


def ellipsoid(points: Points, centre: Triple, radii: Triple, below: Triple | None = None) -> Field:
    """An ellipsoid; with ``below``, an egg whose radii differ on the negative side of each axis."""
    norm = np.zeros_like(points[0])
    steep = np.zeros_like(points[0])
    for value, middle, high, low in zip(points, centre, radii, below or radii, strict=True):
        offset = value - np.float32(middle)
        radius = np.where(offset < 0, np.float32(low), np.float32(high)) if low != high else np.float32(high)
        norm += (offset / radius) ** 2
        steep += (offset / radius**2) ** 2
    norm = np.sqrt(norm)
    return norm * (norm - 1) / np.maximum(np.sqrt(steep), np.float32(1e-6))


def union(a: Field, b: Field, blend: float = 0.0) -> Field:
    """Either solid; the crease between them is rounded over ``blend`` mm."""
    smallest = np.minimum(a, b)
    if not blend:
        return smallest
    overlap = np.maximum(blend - np.abs(a - b), 0) / np.float32(blend)
    return smallest - overlap**2 * np.float32(blend / 4)


def both(a: Field, b: Field, blend: float = 0.0) -> Field:
    """What both solids hold; the edge is rounded over ``blend`` mm."""
    return -union(-a, -b, blend)


def without(a: Field, b: Field, blend: float = 0.0) -> Field:
    """The first solid without the second; the edge is rounded over ``blend`` mm."""
    return both(a, -b, blend)


def tube(points: Points, path: Sequence[Triple], radii: Sequence[float], blend: float = 2.0) -> Field:
    """Round cones along a path, with one radius for each of its points."""
    solid = _cone(points, path[0], path[1], radii[0], radii[1])
    for i in range(1, len(path) - 1):
        solid = union(solid, _cone(points, path[i], path[i + 1], radii[i], radii[i + 1]), blend)
    return solid


def _cone(points: Points, start: Triple, end: Triple, first: float, last: float) -> Field:
    along = np.subtract(end, start).astype(np.float32)
    offset = [p - np.float32(s) for p, s in zip(points, start, strict=True)]
    share = np.clip(sum(o * a for o, a in zip(offset, along, strict=True)) / float(along @ along), 0, 1)
    square = sum((o - share * a) ** 2 for o, a in zip(offset, along, strict=True))
    return np.sqrt(square) - (np.float32(first) + np.float32(last - first) * share)
