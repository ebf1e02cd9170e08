"""Where tissues start: how deep voxels lie within their label, and the deepest of each largest component."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled
from feta.labels import LABEL_COUNT
from inference.topology.flips import score_of

Array = npt.NDArray[Any]

_ONE = np.uint64(1)


@compiled
def tissue_voxels(labels: Array) -> tuple[Array, Array, Array]:
    """Voxels by their label.

    Args:
        labels: uint8, 0–7.

    Returns:
        indices (int32, ascending) of all voxels that are not background; the same label by label; and (int64) where
        each label's begin among these, 0–8.
    """
    begins, free = np.zeros(LABEL_COUNT + 1, np.int64), np.zeros(LABEL_COUNT, np.int64)
    for label in labels:
        begins[np.uint64(label) + _ONE] += 1
    begins[1] = 0
    for label in range(1, LABEL_COUNT):
        free[label] = begins[label]
        begins[label + 1] += begins[label]
    voxels, by_label = np.empty(begins[LABEL_COUNT], np.int32), np.empty(begins[LABEL_COUNT], np.int32)
    last = 0
    for at in range(labels.size):
        label = np.uint64(labels[at])
        if label != np.uint64(0):
            voxels[last] = at
            last += 1
            by_label[free[label]] = at
            free[label] += 1
    return voxels, by_label, begins


@compiled
def support(labels: Array, scores: Array, voxels: Array, row: Any, plane: Any) -> Array:
    """How deep a voxel lies within its label: probability summed along the way out (a chamfer distance, two passes).

    Args:
        labels: uint8, 0–7, with a margin.
        scores: (8, Z, Y, X) uint8, without it.
        voxels: int32, all that are not background, in ascending order.
        row, plane: uint64.

    Returns:
        uint8, in units of 1/16 of a voxel of probability 1, 255 at most; 0 for background.
    """
    # Half of the neighbours, by how far apart they are in memory, and how far in space.
    apart, steps = np.empty(13, np.uint64), np.empty(13, np.float32)
    count = 0
    for z in range(-1, 1):
        for y in range(-1, 2 if z < 0 else 1):
            for x in range(-1, 2 if z < 0 or y < 0 else 0):
                apart[count] = -(z * np.int64(plane) + y * np.int64(row) + x)
                steps[count] = np.float32(np.sqrt(np.float32(z * z + y * y + x * x)))
                count += 1
    depth = np.zeros(labels.size, np.float32)
    for voxel in voxels:
        at = np.uint64(voxel)
        label = labels[at]
        here = np.float32(score_of(scores, label, at, row, plane)) / np.float32(255)
        nearest = np.float32(1e9)
        for i in range(13):
            other = at - apart[i]
            beyond = depth[other]
            within = beyond if labels[other] == label else np.float32(0)
            nearest = min(nearest, within + steps[i] * here)
        depth[at] = nearest
    found = np.zeros(labels.size, np.uint8)
    for voxel in voxels[::-1]:
        at = np.uint64(voxel)
        label = labels[at]
        here = np.float32(score_of(scores, label, at, row, plane)) / np.float32(255)
        nearest = depth[at]
        for i in range(13):
            other = at + apart[i]
            beyond = depth[other]
            within = beyond if labels[other] == label else np.float32(0)
            nearest = min(nearest, within + steps[i] * here)
        depth[at] = nearest
        found[at] = min(np.float32(255), nearest * np.float32(16))
    return found


@compiled
def deepest(voxels: Array, parts: Array, depth: Array) -> Any:
    """The deepest voxel of the largest component, the first of equal ones.

    Args:
        voxels: int32, at least one, in ascending order.
        parts: uint32, the component of every voxel of the map.
        depth: uint8, of ``support``.
    """
    most = np.int64(0)
    for voxel in voxels:
        most = max(most, np.int64(parts[np.uint64(voxel)]))
    sizes = np.zeros(most + 1, np.int64)
    for voxel in voxels:
        sizes[parts[np.uint64(voxel)]] += 1
    largest, best, best_depth = sizes.argmax(), np.int64(-1), np.int64(-1)
    for voxel in voxels:
        at = np.uint64(voxel)
        if parts[at] == largest and depth[at] > best_depth:
            best, best_depth = np.int64(voxel), np.int64(depth[at])
    return best
