"""Simple points: voxels that a tissue may gain or lose without any change of its topology.

Local test of Bertrand and Malandain, Pattern Recognition Letters 15 (1994): foreground 6-connected,
background 26-connected, as the challenge counts. A 3×3×3 neighbourhood is 27 bits of an integer, bit
9·z + 3·y + x, and components are found by flooding with shifts.

Integers are unsigned: numba counts from the end by a negative index, and so looks at the sign of every signed one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import inlined

_CELLS = np.array([(z, y, x) for z in range(3) for y in range(3) for x in range(3)])
_DISTANCE = np.abs(_CELLS - 1).sum(axis=1)


def _bits(chosen: npt.NDArray[np.bool_]) -> np.uint64:
    return np.uint64(sum(1 << int(i) for i in np.flatnonzero(chosen)))


#: The centre's neighbours across a face, and those across a face or an edge, and all 26.
_FACES, _CLOSE, _ALL = _bits(_DISTANCE == 1), _bits((_DISTANCE == 1) | (_DISTANCE == 2)), _bits(_DISTANCE > 0)
#: Cells that have a neighbour in their block at a smaller or greater x or y.
_NOT_FIRST_X, _NOT_LAST_X = _bits(_CELLS[:, 2] > 0), _bits(_CELLS[:, 2] < 2)
_NOT_FIRST_Y, _NOT_LAST_Y = _bits(_CELLS[:, 1] > 0), _bits(_CELLS[:, 1] < 2)
_NOTHING, _X, _Y, _Z = np.uint64(0), np.uint64(1), np.uint64(3), np.uint64(9)


@inlined
def is_simple(block: Any) -> bool:
    """Whether adding or removing the centre of a block changes no Betti number.

    Args:
        block: 27 bits of a uint64, set where a cell belongs to the tissue; the centre's own bit is not looked at.
    """
    faces = block & _FACES
    outside = ~block & _ALL
    inside = block & _CLOSE
    # Two rounds are nearly always enough, and two always made are faster than a processor's guess after each.
    reached = _through_faces(_through_faces(faces & (~faces + _X), inside), inside)
    while faces & ~reached != _NOTHING:
        near = _through_faces(reached, inside)
        if near == reached:
            return False
        reached = near
    reached = _through_corners(_through_corners(outside & (~outside + _X), outside), outside)
    while reached != outside:
        near = _through_corners(reached, outside)
        if near == reached:
            return False
        reached = near
    return faces != _NOTHING and outside != _NOTHING


@inlined
def _through_faces(cells: Any, within: Any) -> Any:
    """Some cells and those that a step or a few across faces leads to."""
    cells |= (((cells & _NOT_LAST_X) << _X) | ((cells & _NOT_FIRST_X) >> _X)) & within
    cells |= (((cells & _NOT_LAST_Y) << _Y) | ((cells & _NOT_FIRST_Y) >> _Y)) & within
    return cells | (((cells << _Z) | (cells >> _Z)) & within)


@inlined
def _through_corners(cells: Any, within: Any) -> Any:
    """Some cells and those beside them, across faces, edges or corners."""
    cells |= ((cells & _NOT_LAST_X) << _X) | ((cells & _NOT_FIRST_X) >> _X)
    cells |= ((cells & _NOT_LAST_Y) << _Y) | ((cells & _NOT_FIRST_Y) >> _Y)
    return (cells | (cells << _Z) | (cells >> _Z)) & within


@inlined
def neighbourhood(labels: npt.NDArray, at: Any, row: Any, plane: Any, tissue: int) -> Any:
    """The 27 bits of a tissue around a voxel.

    Args:
        labels: uint8, a map (z, y, x) as one row, with a margin of a voxel around.
        at: uint64, index of the voxel.
        row, plane: uint64, how far apart in it neighbours along y and z are.
        tissue: whose bits are set.

    Returns:
        uint64.
    """
    block, bit = _NOTHING, _X
    start = at - plane - row - _X
    for _ in range(3):
        for _ in range(3):
            for x in range(3):
                if labels[start + np.uint64(x)] == tissue:
                    block |= bit
                bit <<= _X
            start += row
        start += plane - _Y * row
    return block
