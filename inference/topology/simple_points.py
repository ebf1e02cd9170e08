"""Simple points: voxels that a tissue may gain or lose without any change of its topology.

Local test of Bertrand and Malandain, Pattern Recognition Letters 15 (1994): foreground 6-connected,
background 26-connected, as the challenge counts. A 3×3×3 neighbourhood is 27 bits of an integer, bit
9·z + 3·y + x, and components are found by flooding with shifts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

_CELLS = np.array([(z, y, x) for z in range(3) for y in range(3) for x in range(3)])


def _bits(chosen: npt.NDArray[np.bool_]) -> int:
    return sum(1 << int(i) for i in np.flatnonzero(chosen))


_DISTANCE = np.abs(_CELLS - 1).sum(axis=1)
#: The centre's neighbours across a face, and those across a face or an edge, and all 26.
_FACES, _CLOSE, _ALL = _bits(_DISTANCE == 1), _bits((_DISTANCE == 1) | (_DISTANCE == 2)), _bits(_DISTANCE > 0)
#: Cells that have a neighbour in their block at a smaller or greater x or y.
_NOT_FIRST_X, _NOT_LAST_X = _bits(_CELLS[:, 2] > 0), _bits(_CELLS[:, 2] < 2)
_NOT_FIRST_Y, _NOT_LAST_Y = _bits(_CELLS[:, 1] > 0), _bits(_CELLS[:, 1] < 2)


@compiled
def is_simple(block: int) -> bool:
    """Whether adding or removing the centre of a block changes no Betti number.

    Args:
        block: 27 bits, set where a cell belongs to the tissue; the centre's own bit is not looked at.
    """
    faces = block & _FACES
    outside = ~block & _ALL
    if faces == 0 or outside == 0:
        return False
    inside = block & _CLOSE
    reached = faces & -faces
    while True:
        near = reached | ((reached & _NOT_LAST_X) << 1) | ((reached & _NOT_FIRST_X) >> 1)
        near |= ((reached & _NOT_LAST_Y) << 3) | ((reached & _NOT_FIRST_Y) >> 3) | (reached << 9) | (reached >> 9)
        near &= inside
        if near == reached:
            break
        reached = near
    if faces & ~reached:
        return False
    reached = outside & -outside
    while True:
        near = reached | ((reached & _NOT_LAST_X) << 1) | ((reached & _NOT_FIRST_X) >> 1)
        near |= ((near & _NOT_LAST_Y) << 3) | ((near & _NOT_FIRST_Y) >> 3)
        near |= (near << 9) | (near >> 9)
        near &= outside
        if near == reached:
            break
        reached = near
    return reached == outside


@compiled
def neighbourhood(labels: npt.NDArray, at: int, row: int, plane: int, tissue: int) -> int:
    """The 27 bits of a tissue around a voxel.

    Args:
        labels: uint8, a map (z, y, x) as one row, with a margin of a voxel around.
        at: index of the voxel.
        row, plane: how far apart in it neighbours along y and z are.
        tissue: whose bits are set.
    """
    block = 0
    for z in range(3):
        for y in range(3):
            start = at + (z - 1) * plane + (y - 1) * row - 1
            for x in range(3):
                if labels[start + x] == tissue:
                    block |= 1 << (9 * z + 3 * y + x)
    return block
