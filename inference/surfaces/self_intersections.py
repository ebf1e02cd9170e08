"""Triangles of a mesh that pass through each other.

Two triangles do so where an edge of one pierces the other, by the signs of five volumes (Segura and Feito, WSCG 2001)
in double precision. Neighbours share a vertex or an edge: of those that share a vertex, the edges across from it are
asked; two that share an edge meet nowhere else unless one lies flat on the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled, inlined
from inference.surfaces.mesh import Mesh

Array = npt.NDArray[Any]


def self_intersections(mesh: Mesh) -> int:
    """How many pairs of triangles pass through each other.

    Args:
        mesh: closed, triangles about as large as each other.
    """
    if not len(mesh.triangles):
        return 0
    corners = mesh.points[mesh.triangles]
    low, high = corners.min(axis=1), corners.max(axis=1)
    # A cell as wide as the widest triangle but for a few holds a handful.
    width = max(float(np.quantile((high - low).max(axis=1), 0.99)), 1e-9)
    start = low.min(axis=0)
    first, last = ((v - start) // width for v in (low, high))
    cells = _cells(first.astype(np.int64), last.astype(np.int64))
    order = np.argsort(cells[:, 0], kind="stable")
    return int(_count(cells[order], mesh.points, mesh.triangles, low, high, start, width))


@compiled
def _cells(first: Array, last: Array) -> Array:
    """(N, 2): each cell that a triangle's box meets, as one number, and the triangle."""
    count = 0
    for i in range(len(first)):
        sizes = last[i] - first[i] + 1
        count += sizes[0] * sizes[1] * sizes[2]
    found = np.empty((count, 2), np.int64)
    at = 0
    for i in range(len(first)):
        for x in range(first[i, 0], last[i, 0] + 1):
            for y in range(first[i, 1], last[i, 1] + 1):
                for z in range(first[i, 2], last[i, 2] + 1):
                    found[at, 0] = (z << 42) + (y << 21) + x
                    found[at, 1] = i
                    at += 1
    return found


@compiled
def _count(cells: Array, points: Array, triangles: Array, low: Array, high: Array, start: Array, width: float) -> int:
    found = 0
    begin = 0
    while begin < len(cells):
        end = begin
        while end < len(cells) and cells[end, 0] == cells[begin, 0]:
            end += 1
        for i in range(begin, end):
            one = cells[i, 1]
            for j in range(i + 1, end):
                other = cells[j, 1]
                apart = False
                key = np.int64(0)
                for axis in range(3):
                    apart |= low[one, axis] > high[other, axis] or low[other, axis] > high[one, axis]
                    # Both meet in several cells: the first of them counts.
                    both = max(low[one, axis], low[other, axis])
                    key += np.int64((both - start[axis]) // width) << (21 * axis)
                if not apart and key == cells[begin, 0] and _meet(points, triangles[one], triangles[other]):
                    found += 1
        begin = end
    return found


@inlined
def _meet(points: Array, one: Array, other: Array) -> bool:
    """Whether an edge of one triangle pierces the other."""
    shared, mine, theirs = 0, -1, -1
    for i in range(3):
        for j in range(3):
            if one[i] == other[j]:
                shared, mine, theirs = shared + 1, i, j
    if shared > 1:
        return False
    for i in range(3):
        j = (i + 1) % 3
        if (mine not in (i, j)) and _pierces(points, one[i], one[j], other):
            return True
        if (theirs not in (i, j)) and _pierces(points, other[i], other[j], one):
            return True
    return False


@inlined
def _pierces(points: Array, start: int, end: int, triangle: Array) -> bool:
    a, b, c = points[triangle[0]], points[triangle[1]], points[triangle[2]]
    p, q = points[start], points[end]
    above, below = _volume(p, a, b, c), _volume(q, a, b, c)
    if above * below >= 0:
        return False
    u, v, w = _volume(p, q, a, b), _volume(p, q, b, c), _volume(p, q, c, a)
    return (u >= 0 and v >= 0 and w >= 0) or (u <= 0 and v <= 0 and w <= 0)


@inlined
def _volume(a: Array, b: Array, c: Array, d: Array) -> float:
    """Six times the signed volume of a tetrahedron."""
    x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    r, s, t = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    u, v, w = d[0] - a[0], d[1] - a[1], d[2] - a[2]
    return x * (s * w - t * v) - y * (r * w - t * u) + z * (r * v - s * u)


def warm_up() -> None:
    """Compile the loops."""
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    self_intersections(Mesh(points, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)))
