"""The three heavy steps, compiled by numba; the same functions as ``evaluation.metrics.numpy_backend``.

The compiled functions are few and small: the first call of a fresh process pays
for compiling them where numba has no writable cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.numba_components import components_and_cavities
from evaluation.metrics.numba_distances import nearest_distances
from evaluation.metrics.overlap import foreground_box
from evaluation.metrics.surface_elements import Surface, too_many
from feta.compiled import compiled
from feta.labels import LABEL_COUNT

__all__ = ["components_and_cavities", "nearest_distances", "surfaces"]

Array = npt.NDArray[Any]


@compiled
def _mark(
    padded: Array, z: int, most: Array, counts: Array, found: Array, places: Array, codes: Array, scratch: Array
) -> int:
    """Visit every corner of slice ``z`` between unequal voxels, once for each label around it.

    ``counts`` (8,) grows by each label's surface elements; those of a label that has at most ``most`` (8,) are
    written: the label into ``found``, (y, x) into ``places``, the code into ``codes``. Returns how many were written.
    ``padded`` has a margin of one voxel, so that corner i lies between its voxels i and i + 1. ``scratch`` (2, 8)
    uint8 is 0: an array that is made within would take longer to compile than all of this.
    """
    around, code_of = scratch[0], scratch[1]
    written = 0
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
                counts[label] += 1
                if counts[label] <= most[label]:
                    found[written], codes[written] = label, code
                    places[0, written], places[1, written] = y, x
                    written += 1
    return written


def surfaces(labels: npt.NDArray[np.uint8], most: npt.NDArray[np.int64] | None = None) -> tuple[Surface, ...]:
    """Find the surface elements of labels 1–7; see ``evaluation.metrics.numpy_backend.surfaces``."""
    box = foreground_box(labels)
    low = [s.start for s in box]
    padded = np.pad(labels[box], 1)
    counts, limits = np.zeros(LABEL_COUNT, np.int64), np.full(LABEL_COUNT, 8 * padded.size)
    limits[1:] = limits[1:] if most is None else most
    # A corner has at most eight labels around it, so that one slice's elements always fit.
    room = 8 * padded[0].size
    found, codes, places = np.empty(room, np.uint8), np.empty(room, np.uint8), np.empty((2, room), np.int32)
    scratch = np.zeros((2, 8), np.uint8)
    kept: list[tuple[Array, Array, Array]] = []
    for z in range(padded.shape[0] - 1):
        n = _mark(padded, z, limits, counts, found, places, codes, scratch)
        at = np.full((3, n), z + low[0], np.int32)
        at[1:] = places[:, :n] + np.array(low[1:], np.int32)[:, None]
        kept.append((found[:n].copy(), at, codes[:n].copy()))
    owner, positions, all_codes = (np.concatenate(part, axis=-1) for part in zip(*kept, strict=True))
    result = []
    for label in range(1, LABEL_COUNT):
        if counts[label] > limits[label]:
            result.append(too_many(int(counts[label])))
            continue
        own = np.flatnonzero(owner == label)
        result.append(Surface(positions.take(own, axis=1), all_codes[own]))
    return tuple(result)
