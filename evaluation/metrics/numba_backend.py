"""The three heavy steps, compiled by numba; the same functions as ``evaluation.metrics.numpy_backend``.

The compiled functions are few and small: the first call of a fresh process pays
for compiling them where numba has no writable cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.surface_elements import Surface
from feta.compiled import compiled
from feta.labels import LABEL_COUNT

Array = npt.NDArray[Any]

#: Row distance that stands for "no target in this row".
_FAR = np.int32(1 << 30)


@compiled
def _mark(padded: Array, counts: Array, starts: Array, positions: Array, codes: Array) -> None:
    """Visit every corner between unequal voxels, once for each label around it.

    With empty ``codes`` it counts the surface elements of each label, else it
    writes them, those of label k from ``starts[k]`` on. ``padded`` has a margin
    of one voxel, so that corner i lies between its voxels i and i + 1.
    """
    around = np.zeros(8, np.uint8)
    code_of = np.zeros(8, np.uint8)
    for z in range(padded.shape[0] - 1):
        for y in range(padded.shape[1] - 1):
            a, b, c, d = padded[z, y], padded[z, y + 1], padded[z + 1, y], padded[z + 1, y + 1]
            uniform = False
            for x in range(padded.shape[2] - 1):
                v = a[x + 1]
                was, uniform = uniform, v == b[x + 1] and v == c[x + 1] and v == d[x + 1]
                if was and uniform and v == a[x]:
                    continue
                around[0], around[1], around[2], around[3] = a[x], v, b[x], b[x + 1]
                around[4], around[5], around[6], around[7] = c[x], c[x + 1], d[x], d[x + 1]
                for i in range(8):
                    code_of[around[i]] |= np.uint8(128 >> i)
                for i in range(8):
                    label = around[i]
                    code = code_of[label]
                    code_of[label] = 0
                    if label == 0 or code == 0 or code == 255:
                        continue
                    if codes.size:
                        at = starts[label] + counts[label]
                        positions[0, at], positions[1, at], positions[2, at] = z, y, x
                        codes[at] = code
                    counts[label] += 1


def surfaces(labels: npt.NDArray[np.uint8]) -> tuple[Surface, ...]:
    """Find the surface elements of labels 1–7; see ``evaluation.metrics.numpy_backend.surfaces``."""
    low, high = _foreground_box(labels)
    padded = np.pad(labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 1)
    counts, starts = np.zeros(LABEL_COUNT, np.int64), np.zeros(LABEL_COUNT, np.int64)
    _mark(padded, counts, starts, np.empty((3, 0), np.int32), np.empty(0, np.uint8))
    starts[1:] = np.cumsum(counts)[:-1]
    positions = np.empty((3, int(counts.sum())), np.int32)
    codes = np.empty(positions.shape[1], np.uint8)
    if codes.size:
        _mark(padded, np.zeros(LABEL_COUNT, np.int64), starts, positions, codes)
        positions += np.array(low, dtype=np.int32)[:, None]
    parts = [slice(s, s + n) for s, n in zip(starts[1:], counts[1:], strict=True)]
    return tuple(Surface(positions[:, part], codes[part]) for part in parts)


def _foreground_box(labels: npt.NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """First voxel and one past the last voxel that isn't 0 along (z, y, x); zeros where there is none."""
    flat = np.any(labels, axis=0)
    found = [np.flatnonzero(np.any(a, axis=b)) for a, b in ((labels, (1, 2)), (flat, 1), (flat, 0))]
    if not found[0].size:
        return [0, 0, 0], [0, 0, 0]
    return [int(f[0]) for f in found], [int(f[-1]) + 1 for f in found]


@compiled
def _row_distances(targets: Array, rows: Array) -> None:
    """Fill rows (z, y, x), all _FAR, with the distance along x to the nearest target, in steps."""
    n = rows.shape[2]
    for i in range(targets.shape[1]):
        z, y, x = targets[0, i], targets[1, i], targets[2, i]
        row = rows[z, y]
        left = 0
        if i > 0 and targets[0, i - 1] == z and targets[1, i - 1] == y:
            left = targets[2, i - 1] + (x - targets[2, i - 1]) // 2 + 1
        right = n
        if i + 1 < targets.shape[1] and targets[0, i + 1] == z and targets[1, i + 1] == y:
            right = x + (targets[2, i + 1] - x) // 2 + 1
        for k in range(left, right):
            row[k] = abs(k - x)


@compiled
def _search(
    queries: Array, todo: Array, rows: Array, steps: Array, reach: Array, limit: float, step_x: float, best: Array
) -> None:
    """Square distance of the queries in ``todo``, looking into rows in order of their distance.

    ``steps`` (K, 2) are offsets (z, y) of rows, ``reach`` (K,) their square
    distances in rising order, and all up to ``limit``. Where no target lies
    within the limit, ``best`` stays infinite.
    """
    nz, ny, _ = rows.shape
    for i in todo:
        z, y, x = queries[0, i], queries[1, i], queries[2, i]
        nearest = np.inf
        for k in range(reach.size):
            if reach[k] >= nearest:
                break
            zz, yy = z + steps[k, 0], y + steps[k, 1]
            if 0 <= zz < nz and 0 <= yy < ny:
                along = rows[zz, yy, x] * step_x
                nearest = min(nearest, reach[k] + along * along)
        if nearest <= limit:
            best[i] = nearest


@compiled
def _sweep(queries: Array, todo: Array, rows: Array, spacing: Array, plane: Array, low: int, best: Array) -> None:
    """Square distance of the queries in ``todo`` by a distance transform of one slice after the other.

    In each slice the lower envelope of parabolas (Felzenszwalb and Huttenlocher,
    Theory of Computing 2012) takes row distances to distances in the slice,
    which fill ``plane`` (y, x); its first row is row ``low``.
    """
    sz, sy, sx = spacing
    apex = np.empty(rows.shape[1], np.int64)
    height = np.empty(rows.shape[1])
    bound = np.empty(rows.shape[1])
    for z in range(rows.shape[0]):
        for x in range(rows.shape[2]):
            top = -1
            for y in range(rows.shape[1]):
                if rows[z, y, x] == _FAR:
                    continue
                h = (rows[z, y, x] * sx) ** 2
                at = -np.inf
                while top >= 0:
                    at = ((h - height[top]) / (sy * sy) + y * y - apex[top] * apex[top]) / (2.0 * (y - apex[top]))
                    if at > bound[top]:
                        break
                    top -= 1
                top += 1
                apex[top], height[top], bound[top] = y, h, at if top else -np.inf
            k = 0
            for i in range(plane.shape[0]):
                y = i + low
                while k < top and bound[k + 1] < y:
                    k += 1
                plane[i, x] = ((y - apex[k]) * sy) ** 2 + height[k] if top >= 0 else np.inf
        for i in todo:
            across = ((z - queries[0, i]) * sz) ** 2
            if across < best[i]:
                best[i] = min(best[i], across + plane[queries[1, i] - low, queries[2, i]])


def nearest_distances(
    queries: npt.NDArray[np.int32],
    targets: npt.NDArray[np.int32],
    spacing: tuple[float, float, float],
    weights: npt.NDArray[np.float64],
    share: float,
) -> npt.NDArray[np.float64]:
    """Distance from each query corner to the nearest target, as in ``evaluation.metrics.numpy_backend``.

    The search goes outward until the distances of ``share`` of the weight are
    known, and gives way to a distance transform where that costs less.
    """
    queries, rows = _rows(queries, targets)
    best = np.full(queries.shape[1], np.inf)
    todo = np.arange(queries.shape[1])
    unknown = (1 - share) * float(weights.sum())
    low, high = int(queries[1].min()), int(queries[1].max())
    plane = np.empty((high - low + 1, rows.shape[2]))
    radius = 3 * max(spacing)
    while todo.size and (share >= 1 or float(weights[todo].sum()) > unknown):
        steps, reach = _steps(radius, spacing, queries, rows)
        if todo.size * reach.size > 4 * (rows.size + rows.shape[0] * plane.size) + todo.size * rows.shape[0]:
            _sweep(queries, todo, rows, np.array(spacing), plane, low, best)
            break
        _search(queries, todo, rows, steps, reach, radius * radius, spacing[2], best)
        todo = todo[np.isinf(best[todo])]
        radius *= 2
    return np.sqrt(best)


def _rows(queries: Array, targets: Array) -> tuple[Array, Array]:
    """Row distances over the targets' box, widened along x to the queries', and queries relative to it."""
    low, high = targets.min(axis=1), targets.max(axis=1)
    low[2], high[2] = min(low[2], queries[2].min()), max(high[2], queries[2].max())
    rows = np.full(high - low + 1, _FAR, dtype=np.int32)
    _row_distances(targets - low[:, None], rows)
    return queries - low[:, None], rows


def _steps(
    radius: float, spacing: tuple[float, float, float], queries: Array, rows: Array
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Offsets (K, 2) along (z, y) within a radius (mm), and their square lengths (K,), nearest first.

    Offsets that lead from no query into the rows are left out.
    """
    sides = []
    for axis in (0, 1):
        furthest = int(radius / spacing[axis]) + 1
        first = max(-furthest, -int(queries[axis].max()))
        last = min(furthest, rows.shape[axis] - 1 - int(queries[axis].min()))
        sides.append(np.arange(first, last + 1))
    steps = np.array(np.meshgrid(*sides, indexing="ij")).reshape(2, -1).T
    reach = ((steps * np.array(spacing[:2])) ** 2).sum(axis=1)
    order = np.argsort(reach, kind="stable")
    order = order[reach[order] <= radius * radius]
    return np.ascontiguousarray(steps[order].astype(np.int32)), reach[order]


@compiled
def _joined(starts: Array, stops: Array, row: Array, height: int, diagonal: int) -> int:
    """Number of unions among runs: how many of them are not the first of their component.

    ``row`` (rows + 1,) points at the first run of each row; ``height`` is the number of rows in a slice.
    """
    parent = np.arange(starts.size)
    joined = 0
    for r in range(row.size - 1):
        z, y = r // height, r % height
        for back in range(4 if diagonal else 2):
            # Rows seen before: (0, −1), (−1, 0), and with diagonals (−1, −1), (−1, 1).
            dz = 0 if back == 0 else 1
            dy = -1 if back == 0 or back == 2 else (0 if back == 1 else 1)
            if z - dz < 0 or y + dy < 0 or y + dy >= height:
                continue
            other = (z - dz) * height + y + dy
            i, j = row[r], row[other]
            while i < row[r + 1] and j < row[other + 1]:
                if max(starts[i], starts[j]) < min(stops[i], stops[j]) + diagonal:
                    p, q = i, j
                    while parent[p] != p:
                        parent[p] = parent[parent[p]]
                        p = parent[p]
                    while parent[q] != q:
                        parent[q] = parent[parent[q]]
                        q = parent[q]
                    if p != q:
                        parent[max(p, q)] = min(p, q)
                        joined += 1
                if stops[i] < stops[j]:
                    i += 1
                else:
                    j += 1
    return joined


def count_components(mask: npt.NDArray[np.bool_], connectivity: int) -> int:
    """Number of 6- or 26-connected components of a mask (z, y, x): a union-find over runs along x."""
    nz, ny, nx = mask.shape
    width = nx + 2
    padded = np.zeros((nz * ny, width), dtype=np.uint8)
    padded[:, 1:-1] = mask.reshape(nz * ny, nx)
    flat = padded.reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    starts, stops = ends[0::2], ends[1::2]
    row = np.searchsorted(starts, np.arange(nz * ny + 1) * width)
    offset = starts // width * width
    joined = _joined(starts - offset, stops - offset, row, ny, 1 if connectivity == 26 else 0)
    return int(starts.size - joined)
