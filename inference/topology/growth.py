"""Growth and shrinkage of one tissue by simple points.

Maps are rows of voxels, (z, y, x) flattened, with a margin of one voxel of background on every side; ``row``
and ``plane`` are how far apart neighbours along y and z are (uint64). All that is known of a voxel while a tissue is
placed is one number, its state (uint16): its level, and whether it belongs to the tissue and waits. Voxels wait in
buckets, one a level; a bucket is a list threaded through ``following``, first in, first out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled
from inference.topology.simple_points import is_simple

Array = npt.NDArray[Any]

#: Levels 1–256 are those of voxels that a tissue could take from others, 257–512 those of voxels that are its own; at
#: level 0 are those where it must not go.
OWN, LEVELS = 257, 513
#: Parts of a state: the level, and what is added to it.
LEVEL, WAITS, MEMBER = 0x3FF, 0x4000, 0x8000
#: In ``following`` and in the lists' ends: no voxel.
_NONE = -1
_ONE, _THREE = np.uint64(1), np.uint64(3)
#: Four states of 16 bits, read as one integer: whether the first three are members. Their bits 15, 31 and 47 become
#: bits 61, 62 and 63 by a product, in which no two of its nine terms meet.
_MEMBERS, _GATHER, _GATHERED = np.uint64(0x800080008000), np.uint64(1 << 46 | 1 << 31 | 1 << 16), np.uint64(61)


def states(voxels: int) -> Array:
    """States of so many voxels, where no tissue may go: uint16, one more than voxels, since they are read by fours."""
    return np.zeros(voxels + 1, np.uint16)


@compiled
def _block(state: Array, at: int, row: int, plane: int) -> int:
    """The 27 bits of the tissue around a voxel, as of ``neighbourhood``."""
    block, shift = np.uint64(0), np.uint64(0)
    start = at - plane - row - _ONE
    for _ in range(3):
        for _ in range(3):
            # Compiled to one load.
            first = np.uint64(state[start]) | np.uint64(state[start + _ONE]) << np.uint64(16)
            second = np.uint64(state[start + np.uint64(2)]) | np.uint64(state[start + _THREE]) << np.uint64(16)
            four = first | second << np.uint64(32)
            block |= ((four & _MEMBERS) * _GATHER >> _GATHERED) << shift
            shift += _THREE
            start += row
        start += plane - _THREE * row
    return block


@compiled
def _push(heads: Array, tails: Array, following: Array, state: Array, at: int) -> None:
    level = state[at] & LEVEL
    state[at] |= WAITS
    following[at] = _NONE
    if heads[level] == _NONE:
        heads[level] = at
    else:
        following[np.uint64(tails[level])] = at
    tails[level] = at


@compiled
def grow(state: Array, following: Array, candidates: Array, row: int, plane: int) -> None:
    """Let a tissue take free voxels in place by simple points, highest level first.

    Args:
        state: uint16, of ``states``.
        following: int32.
        candidates: int32, voxels to begin with; their neighbours follow.
    """
    heads, tails = np.full(LEVELS, _NONE, np.int32), np.full(LEVELS, _NONE, np.int32)
    highest = 0
    for candidate in candidates:
        at = np.uint64(candidate)
        # Those that can join at once: were all of them queued, a sweep along the list would take the place of layers.
        if 0 < state[at] < WAITS and is_simple(_block(state, at, row, plane)):
            highest = max(highest, state[at])
            _push(heads, tails, following, state, at)
    while highest > 0:
        if heads[highest] == _NONE:
            highest -= 1
            continue
        at = np.uint64(heads[highest])
        heads[highest] = following[at]
        state[at] = highest
        if not is_simple(_block(state, at, row, plane)):
            continue
        state[at] = highest | MEMBER
        start = at - plane - row - _ONE
        for _ in range(3):
            for _ in range(3):
                for x in range(3):
                    other = start + np.uint64(x)
                    if 0 < state[other] < WAITS:
                        highest = max(highest, state[other])
                        _push(heads, tails, following, state, other)
                start += row
            start += plane - _THREE * row


@compiled
def shrink(state: Array, following: Array, candidates: Array, row: int, plane: int) -> None:
    """Let a tissue give up in place, by simple points, voxels that are not its own, lowest level first.

    Args: as of ``grow``; voxels with a level below ``OWN`` are given up.
    """
    heads, tails = np.full(LEVELS, _NONE, np.int32), np.full(LEVELS, _NONE, np.int32)
    lowest = OWN
    for candidate in candidates:
        at = np.uint64(candidate)
        if MEMBER < state[at] < MEMBER + OWN and is_simple(_block(state, at, row, plane)):
            lowest = min(lowest, state[at] & LEVEL)
            _push(heads, tails, following, state, at)
    while lowest < OWN:
        if heads[lowest] == _NONE:
            lowest += 1
            continue
        at = np.uint64(heads[lowest])
        heads[lowest] = following[at]
        state[at] = lowest | MEMBER
        if not is_simple(_block(state, at, row, plane)):
            continue
        state[at] = lowest
        start = at - plane - row - _ONE
        for _ in range(3):
            for _ in range(3):
                for x in range(3):
                    other = start + np.uint64(x)
                    if MEMBER < state[other] < MEMBER + OWN:
                        lowest = min(lowest, state[other] & LEVEL)
                        _push(heads, tails, following, state, other)
                start += row
            start += plane - _THREE * row
