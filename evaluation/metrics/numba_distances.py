"""Distances between two surfaces, compiled by numba: a search outward, or a transform where that costs less."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]

#: Widths of rows whose distances fit into two bytes: filling and reading them is what most of the time goes into.
_NARROW = 32767


@compiled
def _row_distances(targets: Array, rows: Array, reach: int) -> None:
    """Fill rows (z, y, x), all far, with the distance along x to the nearest target, in steps up to ``reach``."""
    n = rows.shape[2]
    for i in range(targets.shape[1]):
        z, y, x = targets[0, i], targets[1, i], targets[2, i]
        row = rows[z, y]
        left = max(0, x - reach)
        if i > 0 and targets[0, i - 1] == z and targets[1, i - 1] == y:
            left = max(left, targets[2, i - 1] + (x - targets[2, i - 1]) // 2 + 1)
        right = min(n, x + reach + 1)
        if i + 1 < targets.shape[1] and targets[0, i + 1] == z and targets[1, i + 1] == y:
            right = min(right, x + (targets[2, i + 1] - x) // 2 + 1)
        for k in range(left, right):
            row[k] = abs(k - x)


@compiled
def _search(
    queries: Array,
    todo: Array,
    rows: Array,
    far: int,
    steps: Array,
    reach: Array,
    limit: float,
    step_x: float,
    best: Array,
) -> None:
    """Square distance of the queries in ``todo``, looking into rows in order of their distance.

    A row distance of ``far`` stands for "no target in this row".
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
            if 0 <= zz < nz and 0 <= yy < ny and rows[zz, yy, x] != far:
                along = rows[zz, yy, x] * step_x
                nearest = min(nearest, reach[k] + along * along)
        if nearest <= limit:
            best[i] = nearest


@compiled
def _sweep(
    queries: Array, todo: Array, rows: Array, far: int, spacing: Array, plane: Array, low: int, best: Array
) -> None:
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
                if rows[z, y, x] == far:
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
    queries, targets, rows = _rows(queries, targets)
    far = int(np.iinfo(rows.dtype).max)
    best = np.full(queries.shape[1], np.inf)
    todo = np.arange(queries.shape[1])
    unknown = (1 - share) * float(weights.sum())
    low, high = int(queries[1].min()), int(queries[1].max())
    plane = np.empty((high - low + 1, rows.shape[2]))
    radius = 3 * max(spacing)
    while todo.size and (share >= 1 or float(weights[todo].sum()) > unknown):
        steps, reach = _steps(radius, spacing, queries, rows)
        if todo.size * reach.size > 4 * (rows.size + rows.shape[0] * plane.size) + todo.size * rows.shape[0]:
            _row_distances(targets, rows, rows.shape[2])
            _sweep(queries, todo, rows, far, np.array(spacing), plane, low, best)
            break
        _row_distances(targets, rows, int(radius / spacing[2]) + 1)
        _search(queries, todo, rows, far, steps, reach, radius * radius, spacing[2], best)
        todo = todo[np.isinf(best[todo])]
        radius *= 2
    return np.sqrt(best)


def _rows(queries: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Queries and targets relative to the targets' box, widened along x to the queries', and its rows, all far."""
    low, high = targets.min(axis=1), targets.max(axis=1)
    low[2], high[2] = min(low[2], queries[2].min()), max(high[2], queries[2].max())
    dtype = np.int16 if high[2] - low[2] < _NARROW else np.int32
    rows = np.full(high - low + 1, np.iinfo(dtype).max, dtype)
    return queries - low[:, None], targets - low[:, None], rows


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
