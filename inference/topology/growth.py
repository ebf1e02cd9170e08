"""Growth and shrinkage of one tissue by simple points.

Maps are rows of voxels, (z, y, x) flattened, with a margin of one voxel of background on every side; ``row``
and ``plane`` are how far apart neighbours along y and z are (uint64). All that is known of a voxel while a tissue is
placed is one number, its state (uint16): its level, and whether it belongs to the tissue and waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled, inlined
from inference.topology.simple_points import is_simple

Array = npt.NDArray[Any]

#: Levels 1–256 are those of voxels that a tissue could take from others, 257–512 those of voxels that are its own; at
#: level 0 are those where it must not go.
OWN, LEVELS = 257, 513
#: Parts of a state: the level, and what is added to it.
LEVEL, WAITS, MEMBER = 0x3FF, 0x4000, 0x8000
_ONE, _THREE, _NOTHING, _CENTRE = np.uint64(1), np.uint64(3), np.uint64(0), np.uint64(1 << 13)
_LANE, _LANES = np.uint64(16), np.uint64(32)
#: Four states of 16 bits are read as one integer, and a question is asked of the first three of them: its answers are
#: bits 15, 31 and 47, which a product makes bits 61, 62 and 63 (no two of its nine terms meet).
_ANSWERS, _GATHER, _GATHERED = np.uint64(0x800080008000), np.uint64(1 << 46 | 1 << 31 | 1 << 16), np.uint64(61)
#: The levels of three states; and what, added to them, sets bit 14 of each that is not 0, or is at least ``OWN``.
_THREE_LEVELS = np.uint64(LEVEL * 0x100010001)
_ANY, _HIGH = np.uint64(0x3FFF * 0x100010001), np.uint64((0x4000 - OWN) * 0x100010001)
#: Where in ``_lowest``'s table a single one of 27 bits has its place: powers of 2 differ modulo 37.
_PLACES = np.uint64(37)
#: In the lists: no voxel.
_NONE = -1


def states(voxels: int) -> Array:
    """States of so many voxels, where no tissue may go: uint16, one more than voxels, since they are read by fours."""
    return np.zeros(voxels + 1, np.uint16)


@inlined
def _four(state: Array, start: Any) -> Any:
    """Four states in a row; compiled to one load."""
    low = np.uint64(state[start]) | np.uint64(state[start + _ONE]) << _LANE
    high = np.uint64(state[start + np.uint64(2)]) | np.uint64(state[start + _THREE]) << _LANE
    return low | high << _LANES


@inlined
def _gathered(answers: Any) -> Any:
    """Bits 15, 31 and 47 as bits 0, 1 and 2."""
    return (answers & _ANSWERS) * _GATHER >> _GATHERED


@inlined
def _free(four: Any) -> Any:
    """Which of three states can be queued to join: a level, and neither member nor waiting."""
    return ((four & _THREE_LEVELS) + _ANY << _ONE) & ~(four | four << _ONE)


@inlined
def _lent(four: Any) -> Any:
    """Which of three states can be queued to leave: a member that is not its own, and does not wait."""
    levels = four & _THREE_LEVELS
    return (levels + _ANY << _ONE) & ~(levels + _HIGH << _ONE) & four & ~(four << _ONE)


@inlined
def _around(state: Array, first: Any, row: Any, plane: Any, leaving: bool) -> tuple[Any, Any]:
    """The 27 bits of the tissue around a voxel, as of ``neighbourhood``, and those of which voxels can be queued.

    Args:
        state: uint16.
        first: uint64, the first voxel of the block.
        row, plane: uint64.
        leaving: whether what can leave is queued, or what can join; a voxel queues never itself.
    """
    members, queued, shift, start = _NOTHING, _NOTHING, _NOTHING, first
    for _ in range(3):
        for _ in range(3):
            four = _four(state, start)
            members |= _gathered(four) << shift
            queued |= _gathered(_lent(four) if leaving else _free(four)) << shift
            shift += _THREE
            start += row
        start += plane - _THREE * row
    return members, queued & ~_CENTRE


@compiled
def _offsets(row: Any, plane: Any) -> Array:
    """How far each cell of a block is from its first one, at the place of its bit."""
    table = np.zeros(_PLACES, np.uint64)
    for cell in range(27):
        bit = np.uint64(1) << np.uint64(cell)
        z, y, x = np.uint64(cell // 9), np.uint64(cell % 9 // 3), np.uint64(cell % 3)
        table[bit % _PLACES] = z * plane + y * row + x
    return table


@compiled
def spread(state: Array, candidates: Array, row: Any, plane: Any, leaving: bool) -> None:
    """Let a tissue take free voxels in place by simple points, highest level first, or give some up again.

    Voxels wait in lists, one a level, first in, first out. All of it stands in this one body, since numba counts
    references to arrays that a body hands to another.

    Args:
        state: uint16, of ``states``.
        candidates: int32, voxels to begin with; their neighbours follow.
        row, plane: uint64.
        leaving: give up, lowest level first, members that are not the tissue's own; their levels are below ``OWN``.
    """
    heads, tails = np.full(LEVELS, _NONE, np.int32), np.full(LEVELS, _NONE, np.int32)
    # Of a voxel that waits, the one that comes after it.
    following = np.empty(state.size, np.int32)
    offsets, highest, begun = _offsets(row, plane), _NOTHING, 0
    before, after = (MEMBER, 0) if leaving else (0, MEMBER)
    while begun < candidates.size or highest > _NOTHING:
        # At first those that can move at once: were all queued, a sweep along the list would take the place of layers.
        begins = begun < candidates.size
        if begins:
            at = np.uint64(candidates[begun])
            begun += 1
            if not (MEMBER < state[at] < MEMBER + OWN if leaving else 0 < state[at] < WAITS):
                continue
        else:
            if heads[highest] == _NONE:
                highest -= _ONE
                continue
            at = np.uint64(heads[highest])
            heads[highest] = following[at]
        corner = at - plane - row - _ONE
        members, queued = _around(state, corner, row, plane, leaving)
        simple = is_simple(members)
        if begins:
            queued = _CENTRE if simple else _NOTHING
        else:
            state[at] = state[at] & LEVEL | (after if simple else before)
            queued = queued if simple else _NOTHING
        while queued != _NOTHING:
            other = corner + offsets[(queued & (~queued + _ONE)) % _PLACES]
            queued &= queued - _ONE
            level = np.uint64(state[other] & LEVEL)
            key = np.uint64(OWN) - level if leaving else level
            state[other] |= WAITS
            following[other] = _NONE
            if heads[key] == _NONE:
                heads[key] = other
            else:
                following[np.uint64(tails[key])] = other
            tails[key] = other
            highest = max(highest, key)
