"""Growth, shrinkage and flips of labels by simple points: the compiled loops of `inference.topology.correction`.

Maps are rows of voxels, (z, y, x) flattened, with a margin of one voxel of background on every side; ``row``
and ``plane`` are how far apart neighbours along y and z are. Voxels wait in buckets, one a level; a bucket is a
list threaded through ``following`` (int32, ``IDLE`` everywhere before and after), first in, first out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled
from inference.topology.simple_points import is_simple, neighbourhood

Array = npt.NDArray[Any]

#: Not yet given to any label.
FREE = 255
#: Levels 1–256 are those of voxels that a tissue could take from others, 257–512 those of voxels that are its own.
OWN, LEVELS = 257, 513
#: In ``following``: waits nowhere; is the last of its bucket.
IDLE, _LAST = -2, -1


@compiled
def _push(heads: Array, tails: Array, following: Array, at: int, level: int) -> None:
    following[at] = _LAST
    if heads[level] == _LAST:
        heads[level] = at
    else:
        following[tails[level]] = at
    tails[level] = at


@compiled
def _pop(heads: Array, following: Array, level: int) -> int:
    at = heads[level]
    heads[level] = following[at]
    following[at] = IDLE
    return at


@compiled
def grow(labels: Array, levels: Array, following: Array, candidates: Array, tissue: int, row: int, plane: int) -> None:
    """Let a tissue take free voxels in place by simple points, highest level first.

    Args:
        labels: uint8.
        levels: uint16; 0 where the tissue must not go.
        candidates: int32, voxels to begin with; their neighbours follow.
        tissue: which grows.
    """
    heads, tails = np.full(LEVELS, _LAST, np.int32), np.full(LEVELS, _LAST, np.int32)
    highest = 0
    for at in candidates:
        # Those that can join at once: were all of them queued, a sweep along the list would take the place of layers.
        free = labels[at] == FREE and levels[at] > 0 and following[at] == IDLE
        if free and is_simple(neighbourhood(labels, at, row, plane, tissue)):
            _push(heads, tails, following, at, levels[at])
            highest = max(highest, levels[at])
    while highest > 0:
        if heads[highest] == _LAST:
            highest -= 1
            continue
        at = _pop(heads, following, highest)
        if not is_simple(neighbourhood(labels, at, row, plane, tissue)):
            continue
        labels[at] = tissue
        for z in range(-1, 2):
            for y in range(-1, 2):
                start = at + z * plane + y * row - 1
                for other in range(start, start + 3):
                    if labels[other] == FREE and levels[other] > 0 and following[other] == IDLE:
                        _push(heads, tails, following, other, levels[other])
                        highest = max(highest, levels[other])


@compiled
def shrink(
    labels: Array, levels: Array, following: Array, candidates: Array, tissue: int, row: int, plane: int
) -> None:
    """Let a tissue give up in place, by simple points, voxels that are not its own, lowest level first.

    Args: as of ``grow``; voxels with a level below ``OWN`` are given up.
    """
    heads, tails = np.full(LEVELS, _LAST, np.int32), np.full(LEVELS, _LAST, np.int32)
    lowest = OWN
    for at in candidates:
        taken = labels[at] == tissue and 0 < levels[at] < OWN and following[at] == IDLE
        if taken and is_simple(neighbourhood(labels, at, row, plane, tissue)):
            _push(heads, tails, following, at, levels[at])
            lowest = min(lowest, levels[at])
    while lowest < OWN:
        if heads[lowest] == _LAST:
            lowest += 1
            continue
        at = _pop(heads, following, lowest)
        if not is_simple(neighbourhood(labels, at, row, plane, tissue)):
            continue
        labels[at] = FREE
        for z in range(-1, 2):
            for y in range(-1, 2):
                start = at + z * plane + y * row - 1
                for other in range(start, start + 3):
                    if labels[other] == tissue and 0 < levels[other] < OWN and following[other] == IDLE:
                        _push(heads, tails, following, other, levels[other])
                        lowest = min(lowest, levels[other])


@compiled
def _best_gain(labels: Array, scores: Array, at: int, row: int, plane: int) -> Any:
    """The neighbouring label that a voxel gains most by taking, where both it and its own allow that, and the gain."""
    own = labels[at]
    here = np.int64(scores[own, at])
    best, best_gain = own, np.int64(0)
    for step in (-plane, -row, -1, 1, row, plane):
        label = labels[at + step]
        if label == own:
            continue
        # Between equals, tissue rather than background: what is left over lies within the brain.
        gain = np.int64(scores[label, at]) - here + (own == 0)
        if gain > best_gain and (label == 0 or is_simple(neighbourhood(labels, at, row, plane, label))):
            best, best_gain = label, gain
    if best_gain > 0 and own != 0 and not is_simple(neighbourhood(labels, at, row, plane, own)):
        return own, np.int64(0)
    return best, best_gain


@compiled
def flip(labels: Array, scores: Array, following: Array, candidates: Array, row: int, plane: int) -> None:
    """Give voxels in place to neighbouring labels that they score higher for, most gain first.

    A voxel moves only where it is simple for the tissue that it leaves and for the one that it joins;
    background is no tissue.

    Args:
        labels: uint8, 0–7.
        scores: (8, voxels) uint8; 255 for background in the margin, which so never flips.
        candidates: int32, voxels to begin with; their neighbours follow.
    """
    heads, tails = np.full(LEVELS, _LAST, np.int32), np.full(LEVELS, _LAST, np.int32)
    highest = 0
    for at in candidates:
        _, gain = _best_gain(labels, scores, at, row, plane)
        if gain > 0 and following[at] == IDLE:
            _push(heads, tails, following, at, gain)
            highest = max(highest, gain)
    while highest > 0:
        if heads[highest] == _LAST:
            highest -= 1
            continue
        at = _pop(heads, following, highest)
        label, gain = _best_gain(labels, scores, at, row, plane)
        if gain == 0:
            continue
        # The neighbours have changed since it was queued: its turn comes with those of its new gain.
        if gain != highest:
            _push(heads, tails, following, at, gain)
            highest = max(highest, gain)
            continue
        labels[at] = label
        for z in range(-1, 2):
            for y in range(-1, 2):
                start = at + z * plane + y * row - 1
                for other in range(start, start + 3):
                    if following[other] == IDLE and scores[labels[other], other] < 255:
                        _, gain = _best_gain(labels, scores, other, row, plane)
                        if gain > 0:
                            _push(heads, tails, following, other, gain)
                            highest = max(highest, gain)


@compiled
def support(labels: Array, scores: Array, row: int, plane: int) -> Array:
    """How deep a voxel lies within its label: probability summed along the way out (a chamfer distance, two passes).

    Args:
        labels: uint8, 0–7.
        scores: (8, voxels) uint8.

    Returns:
        (voxels,) uint8, in units of 1/16 of a voxel of probability 1, 255 at most; 0 for background.
    """
    depth = np.zeros(labels.size, np.float32)
    for backwards in (False, True):
        way = -1 if backwards else 1
        for i in range(labels.size):
            at = labels.size - 1 - i if backwards else i
            label = labels[at]
            if label == 0:
                continue
            here = np.float32(scores[label, at]) / np.float32(255)
            nearest = depth[at] if backwards else np.float32(1e9)
            # The half of the neighbours that this pass has already seen.
            for z in range(-1, 1):
                for y in range(-1, 2 if z < 0 else 1):
                    for x in range(-1, 2 if z < 0 or y < 0 else 0):
                        other = at + way * (z * plane + y * row + x)
                        step = np.float32(np.sqrt(np.float32(z * z + y * y + x * x)))
                        within = depth[other] if labels[other] == label else np.float32(0)
                        nearest = min(nearest, within + step * here)
            depth[at] = nearest
    found = np.zeros(labels.size, np.uint8)
    for at in range(labels.size):
        found[at] = min(np.float32(255), depth[at] * np.float32(16))
    return found


@compiled
def zones(left: Array, reach: int, groups: Array, row: int, plane: int) -> Array:
    """The cubes around some voxels, and which of them hang together.

    Args:
        left: int32, the voxels.
        reach: half a cube's side.
        groups: int32, 0 everywhere; becomes 1, 2, … in the 26-connected groups of cubes.

    Returns:
        int32, the voxels of all cubes.
    """
    count = 0
    height, depth, width = groups.size // plane, plane // row, row
    for at in left:
        z, y, x = at // plane, at % plane // row, at % row
        for k in range(max(1, z - reach), min(height - 1, z + reach + 1)):
            for j in range(max(1, y - reach), min(depth - 1, y + reach + 1)):
                for i in range(max(1, x - reach), min(width - 1, x + reach + 1)):
                    other = k * plane + j * row + i
                    if groups[other] == 0:
                        groups[other] = -1
                        count += 1
    found = np.empty(count, np.int32)
    first, last, group = 0, 0, 0
    for at in left:
        if groups[at] != -1:
            continue
        group += 1
        groups[at] = group
        found[last] = at
        last += 1
        while first < last:
            here = found[first]
            first += 1
            for z in range(-1, 2):
                for y in range(-1, 2):
                    start = here + z * plane + y * row - 1
                    for other in range(start, start + 3):
                        if groups[other] == -1:
                            groups[other] = group
                            found[last] = other
                            last += 1
    return found
