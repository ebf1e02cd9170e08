"""The three heavy steps, compiled by numba; the same functions as ``evaluation.metrics.numpy_backend``.

The compiled functions are few and small: the first call of a fresh process pays
for compiling them where numba has no writable cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.numba_distances import nearest_distances
from evaluation.metrics.surface_elements import Surface, too_many
from feta.compiled import compiled
from feta.labels import LABEL_COUNT

__all__ = ["count_components", "nearest_distances", "surfaces"]

Array = npt.NDArray[Any]


@compiled
def _mark(padded: Array, counts: Array, starts: Array, positions: Array, codes: Array, scratch: Array) -> None:
    """Visit every corner between unequal voxels, once for each label around it.

    With empty ``codes`` it counts the surface elements of each label, else it
    writes them, those of label k from ``starts[k]`` on; none where that is negative. ``padded`` has a margin
    of one voxel, so that corner i lies between its voxels i and i + 1. ``scratch`` (2, 8) uint8 is 0: an array that is
    made within would take longer to compile than all of this.
    """
    around, code_of = scratch[0], scratch[1]
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
                    if codes.size and starts[label] >= 0:
                        at = starts[label] + counts[label]
                        positions[0, at], positions[1, at], positions[2, at] = z, y, x
                        codes[at] = code
                    counts[label] += 1


def _scratch() -> Array:
    return np.zeros((2, 8), np.uint8)


def surfaces(labels: npt.NDArray[np.uint8], most: npt.NDArray[np.int64] | None = None) -> tuple[Surface, ...]:
    """Find the surface elements of labels 1–7; see ``evaluation.metrics.numpy_backend.surfaces``."""
    low, high = _foreground_box(labels)
    padded = np.pad(labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 1)
    counts, starts = np.zeros(LABEL_COUNT, np.int64), np.zeros(LABEL_COUNT, np.int64)
    _mark(padded, counts, starts, np.empty((3, 0), np.int32), np.empty(0, np.uint8), _scratch())
    left_out = np.zeros(LABEL_COUNT, np.int64)
    if most is not None:
        left_out[1:] = np.where(counts[1:] > most, counts[1:], 0)
    counts -= left_out
    starts[1:] = np.cumsum(counts)[:-1]
    starts[left_out > 0] = -1
    positions = np.empty((3, int(counts.sum())), np.int32)
    codes = np.empty(positions.shape[1], np.uint8)
    if codes.size:
        _mark(padded, np.zeros(LABEL_COUNT, np.int64), starts, positions, codes, _scratch())
        positions += np.array(low, dtype=np.int32)[:, None]
    parts = [slice(s, s + n) for s, n in zip(starts[1:], counts[1:], strict=True)]
    return tuple(
        too_many(int(n)) if n else Surface(positions[:, part], codes[part])
        for part, n in zip(parts, left_out[1:], strict=True)
    )


def _foreground_box(labels: npt.NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """First voxel and one past the last voxel that isn't 0 along (z, y, x); zeros where there is none."""
    flat = np.any(labels, axis=0)
    found = [np.flatnonzero(np.any(a, axis=b)) for a, b in ((labels, (1, 2)), (flat, 1), (flat, 0))]
    if not found[0].size:
        return [0, 0, 0], [0, 0, 0]
    return [int(f[0]) for f in found], [int(f[-1]) + 1 for f in found]


@compiled
def _joined(starts: Array, stops: Array, row: Array, height: int, diagonal: int, parent: Array) -> int:
    """Number of unions among runs: how many of them are not the first of their component.

    ``row`` (rows + 1,) points at the first run of each row; ``height`` is the number of rows in a slice;
    ``parent`` counts the runs from 0.
    """
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
                if starts[i] < stops[j] + diagonal and starts[j] < stops[i] + diagonal:
                    p, q = i, j
                    while parent[p] != p:
                        parent[p] = parent[parent[p]]
                        p = parent[p]
                    while parent[q] != q:
                        parent[q] = parent[parent[q]]
                        q = parent[q]
                    if p != q:
                        if p < q:
                            p, q = q, p
                        parent[p] = q
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
    joined = _joined(starts - offset, stops - offset, row, ny, 1 if connectivity == 26 else 0, np.arange(starts.size))
    return int(starts.size - joined)
