"""The closed triangle mesh around a mask, with the topology that the mask has as voxels.

Marching cubes (Lorensen and Cline, SIGGRAPH 1987) with the cells filled so that the mesh separates what counts as
separate: foreground 6-connected, background 26-connected (Han, Xu and Prince, IEEE TPAMI 25 (2003) 755, who call it
connectivity-consistent). On the face of a cell with two foreground corners across, each is cut off; where two
background corners lie across a whole cell, a tube joins them. Every pair of neighbouring voxels in and out has one
vertex, so that the mesh is a manifold, and its Euler characteristic is twice that of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix, transformed

Points = npt.NDArray[np.float64]
Triangles = npt.NDArray[np.int32]
_CORNERS = np.array([(c & 1, c >> 1 & 1, c >> 2) for c in range(8)])
#: A cell's edges: their lower corners, and the axis along which they run (0 x, 1 y, 2 z).
_EDGES = [(c, axis) for axis in range(3) for c in range(8) if not c >> axis & 1]


@dataclass(frozen=True)
class Mesh:
    """Triangles.

    Attributes:
        points: (V, 3) float64, (x, y, z).
        triangles: (F, 3) int32, anticlockwise as seen from outside.
    """

    points: Points
    triangles: Triangles

    @property
    def euler(self) -> int:
        """Euler characteristic V − E + F: 2 for a sphere, 2 − 2g for a closed surface of genus g."""
        pairs = np.sort(self._halves(), axis=1).astype(np.int64)
        keys = np.sort(pairs[:, 0] << 32 | pairs[:, 1])
        edges = np.count_nonzero(np.diff(keys)) + 1 if len(keys) else 0
        return len(self.points) - int(edges) + len(self.triangles)

    def edges(self) -> npt.NDArray[np.int32]:
        """(E, 2) int32, each edge of a closed mesh once, its lower vertex first."""
        halves = self._halves()
        # The two triangles at an edge run along it in opposite ways.
        return np.asarray(halves[halves[:, 0] < halves[:, 1]], np.int32)

    def _halves(self) -> npt.NDArray[np.int32]:
        return self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)

    def moved(self, matrix: Matrix) -> Mesh:
        """In another frame; triangles are turned where that is a mirror image.

        Args:
            matrix: 4×4.
        """
        turned = self.triangles[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else self.triangles
        return Mesh(transformed(matrix, self.points), np.ascontiguousarray(turned))


def mesh_of(mask: npt.NDArray[np.bool_]) -> Mesh:
    """The mesh around a mask, its vertices midway between voxels.

    Args:
        mask: (Z, Y, X) bool.

    Returns:
        positions in index (x, y, z).
    """
    padded = np.pad(mask, 1)
    steps = np.array([1, padded.shape[2], padded.shape[1] * padded.shape[2]])
    flat = padded.ravel()
    crossed = [np.flatnonzero(flat[:-step] != flat[step:]) for step in steps]
    keys = np.concatenate([at + axis * flat.size for axis, at in enumerate(crossed)])
    z, y, x = np.unravel_index(np.concatenate(crossed), padded.shape)
    points: Points = np.stack([x, y, z], axis=1).astype(np.float64) - 1.0
    points[np.arange(len(points)), keys // flat.size] += 0.5

    offsets = _CORNERS @ steps
    inside = padded.view(np.uint8)
    last = tuple(n - 1 for n in padded.shape)
    grid = np.zeros(padded.shape, np.uint8)
    for bit, (x, y, z) in enumerate(_CORNERS):
        corner = inside[z : z + last[0], y : y + last[1], x : x + last[2]]
        grid[: last[0], : last[1], : last[2]] |= corner << np.uint8(bit)
    kinds = grid.ravel()
    cells = np.flatnonzero((kinds != 0) & (kinds != 255))
    counts, table = _table()
    found = table[kinds[cells]]
    used = np.arange(found.shape[1]) < counts[kinds[cells], None]
    of_edges = np.array([offsets[corner] + axis * flat.size for corner, axis in _EDGES])
    corners = (cells[:, None, None] + of_edges[found])[used]
    return Mesh(points, np.searchsorted(keys, corners).astype(np.int32))


@cache
def _table() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each of 256 cells how many triangles it holds (256,), and the edges that are their corners (256, T, 3)."""
    found = [_triangles(kind) for kind in range(256)]
    table = np.zeros((256, max(map(len, found)), 3), np.int64)
    for kind, triangles in enumerate(found):
        if triangles:
            table[kind, : len(triangles)] = triangles
    return np.array([len(each) for each in found]), table


def _triangles(kind: int) -> list[tuple[int, int, int]]:
    loops = _loops(kind)
    outside = [corner for corner in range(8) if not kind >> corner & 1]
    if len(outside) == 2 and sum(outside) == 7 and outside[0] ^ outside[1] == 7:
        return _tube(*loops)
    return [triangle for loop in loops for triangle in min(_fillings(loop), key=_cost)]


def _loops(kind: int) -> list[list[int]]:
    """The closed lines along which a surface leaves a cell, as edges in their order."""
    following: dict[int, int] = {}
    for axis in range(3):
        u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        for high in (0, 1 << axis):
            round_ = [high, high | u, high | u | v, high | v]
            if not high:  # anticlockwise as seen from outside
                round_.reverse()
            inside = [bool(kind >> corner & 1) for corner in round_]
            sides = [_edge(round_[i], round_[(i + 1) % 4]) for i in range(4)]
            for i in range(4):
                if inside[i] and not inside[i - 1]:
                    end = next(j for j in range(i, i + 4) if not inside[(j + 1) % 4])
                    following[sides[i - 1]] = sides[end % 4]
    loops = []
    while following:
        loop = [next(iter(following))]
        while (after := following.pop(loop[-1])) != loop[0]:
            loop.append(after)
        loops.append(loop)
    return loops


def _fillings(loop: list[int]) -> list[list[tuple[int, int, int]]]:
    """All ways to fill a loop with triangles between its vertices."""
    if len(loop) < 3:
        return [[]]
    return [
        [(loop[0], loop[i], loop[-1]), *one, *other]
        for i in range(1, len(loop) - 1)
        for one in _fillings(loop[: i + 1])
        for other in _fillings(loop[i:])
    ]


def _cost(triangles: list[tuple[int, int, int]]) -> tuple[int, float]:
    """How many of its inner edges lie in a face of the cell, where the next cell's could, too; and the area."""
    sides = [pair for a, b, c in triangles for pair in ((a, b), (b, c), (c, a))]
    inner = [(a, b) for a, b in sides if (b, a) in sides]
    corners = _middles()[np.array(triangles)]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    return sum(bool((_middles()[a] == _middles()[b])[_middles()[a] != 0.5].any()) for a, b in inner), float(area)


@cache
def _middles() -> Points:
    """The middle of each edge of a cell (12, 3)."""
    return np.array([_CORNERS[corner] + 0.5 * np.eye(3)[axis] for corner, axis in _EDGES])


def _edge(one: int, other: int) -> int:
    return _EDGES.index((min(one, other), (one ^ other).bit_length() - 1))


def _tube(one: list[int], other: list[int]) -> list[tuple[int, int, int]]:
    """Six triangles between two loops of three edges each, in place of one across each."""
    turned = [other[0], other[2], other[1]]
    ways = [turned[i:] + turned[:i] for i in range(3)]
    # Each vertex is joined to two of the other loop: those across the third would cut through the tube.
    beside = min(ways, key=lambda way: _lengths(one, way) + _lengths(one[1:] + one[:1], way))
    found = []
    for i in range(3):
        j = (i + 1) % 3
        found += [(one[i], one[j], beside[i]), (beside[j], beside[i], one[j])]
    return found


def _lengths(one: list[int], other: list[int]) -> float:
    return float(np.linalg.norm(_middles()[one] - _middles()[other], axis=1).sum())
