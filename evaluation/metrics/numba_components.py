"""Components and cavities of every label, by a union-find over runs along x that numba compiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.overlap import foreground_box
from feta.compiled import compiled

Array = npt.NDArray[Any]


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


def components_and_cavities(labels: npt.NDArray[np.uint8], wanted: Sequence[int]) -> npt.NDArray[np.int64]:
    """See ``evaluation.metrics.numpy_backend.components_and_cavities``; the runs of all labels are found at once."""
    labels = labels[foreground_box(labels)]
    nz, ny, nx = labels.shape
    width = nx + 1
    # A voxel of background before each row, and one at the end: no run reaches into the next row.
    flat = np.zeros(nz * ny * width + 1, np.uint8)
    flat[:-1].reshape(nz, ny, width)[:, :, 1:] = labels
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    owner = flat[ends]
    result = np.zeros((len(wanted), 2), np.int64)
    for i, label in enumerate(wanted):
        own = np.flatnonzero(owner == label)
        starts, stops = ends[own], ends[own + 1]
        rows, starts = np.divmod(starts, width)
        result[i] = _of_runs(rows // ny, rows % ny, starts, stops - rows * width, width)
    return result


def _of_runs(z: Array, y: Array, starts: Array, stops: Array, width: int) -> tuple[int, int]:
    """6-connected components of a mask, and 26-connected ones of what is around it without the outside.

    Args:
        z, y: (N,) row of each run, in rising order, N ≥ 1.
        starts, stops: (N,) along x, from 1 to ``width``.
    """
    top, left = int(z.min()) - 1, int(y.min()) - 1  # a margin of one row, as the outside goes all around
    height = int(y.max()) - left + 2
    count = (int(z.max()) - top + 2) * height
    rows = (z - top) * height + y - left
    first = np.searchsorted(rows, np.arange(count + 1))
    components = starts.size - _joined(starts, stops, first, height, 0, np.arange(starts.size))
    # What lies between the runs: one more than these in each row, the first from 0 and the last to the width's end.
    first_gap = first + np.arange(count + 1)
    gap_starts, gap_stops = np.zeros((2, starts.size + count), np.int64)
    before = np.arange(starts.size) + rows
    gap_starts[before + 1], gap_stops[before] = stops, starts
    gap_stops[first_gap[1:] - 1] = width + 1
    gaps = gap_starts.size - _joined(gap_starts, gap_stops, first_gap, height, 1, np.arange(gap_starts.size))
    return components, gaps - 1
