"""Where a tissue may swell for once, what it would gain, and whether it keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled
from inference.topology.flips import score_of
from inference.topology.growth import LEVEL, MEMBER, OWN

Array = npt.NDArray[Any]

#: Not yet given to any label.
FREE = 255
_ONE, _THREE = np.uint64(1), np.uint64(3)


@compiled
def zones(left: Array, reach: int, groups: Array, row: Any, plane: Any) -> Array:
    """The cubes around some voxels, and which of them hang together.

    Args:
        left: int32, the voxels, in ascending order.
        reach: half a cube's side.
        groups: int32, 0 everywhere; becomes 1, 2, … in the 26-connected groups of cubes.
        row, plane: uint64.

    Returns:
        int32, the voxels of all cubes.
    """
    count = 0
    width, step = np.int64(row), np.int64(plane)
    height, depth, before = groups.size // step, step // width, np.int64(-2)
    for at in left:
        z, y, x = at // step, at % step // width, at % width
        # Of a cube beside the one before only the last layer is new.
        nearest = x + reach if at == before + 1 else x - reach
        before = np.int64(at)
        for k in range(max(1, z - reach), min(height - 1, z + reach + 1)):
            for j in range(max(1, y - reach), min(depth - 1, y + reach + 1)):
                for i in range(max(1, nearest), min(width - 1, x + reach + 1)):
                    other = np.uint64(k * step + j * width + i)
                    if groups[other] == 0:
                        groups[other] = -1
                        count += 1
    found = np.empty(count, np.int32)
    first, last, group = 0, 0, 0
    for voxel in left:
        at = np.uint64(voxel)
        if groups[at] != -1:
            continue
        group += 1
        groups[at] = group
        found[last] = at
        last += 1
        while first < last:
            start = np.uint64(found[first]) - plane - row - _ONE
            first += 1
            for _ in range(3):
                for _ in range(3):
                    for x in range(3):
                        other = start + np.uint64(x)
                        if groups[other] == -1:
                            groups[other] = group
                            found[last] = other
                            last += 1
                    start += row
                start += plane - _THREE * row
    return found


@compiled
def open_zone(
    state: Array, labels: Array, scores: Array, zone: Array, tissue: int, row: Any, plane: Any
) -> tuple[Array, Array, Array]:
    """Give levels to what a tissue could take from others, by how much likelier it is there than any of them.

    Args:
        state: uint16, of ``inference.topology.growth``, changed in place.
        labels: uint8, what other tissues have.
        scores: (8, Z, Y, X) uint8, without the margin.
        zone: int32, the voxels.
        tissue: which swells.
        row, plane: uint64.

    Returns:
        of every voxel of the zone: by how much the tissue's score is above all others' (int16; 0 where the voxel can't
        change), whether it is a member, and whether it was given a level.
    """
    margins, members, opened = (
        np.zeros(zone.size, np.int16),
        np.empty(zone.size, np.bool_),
        np.zeros(zone.size, np.bool_),
    )
    for i in range(zone.size):
        at = np.uint64(zone[i])
        level, member = state[at] & LEVEL, state[at] >= MEMBER
        members[i] = member
        opens = level == 0 and (member or labels[at] == FREE)
        if not opens and (member or level == 0):
            continue
        other = np.int64(-1)
        for label in range(scores.shape[0]):
            if label != tissue:
                other = max(other, score_of(scores, label, at, row, plane))
        margin = score_of(scores, tissue, at, row, plane) - other
        margins[i] = margin
        if opens:
            opened[i] = True
            state[at] |= min(max(margin + 256, 1), OWN - 1)
    return margins, members, opened


@compiled
def settle(state: Array, groups: Array, zone: Array, margins: Array, members: Array, opened: Array) -> None:
    """Keep what each group of cubes took and gave, or undo it where that lost score; close the zone.

    Args:
        state, groups, zone: as before; ``groups`` are 0 again.
        margins, members, opened: of ``open_zone``.
    """
    count = 0
    for at in zone:
        count = max(count, groups[np.uint64(at)])
    gains = np.zeros(count + 1, np.int64)
    for i in range(zone.size):
        at = np.uint64(zone[i])
        gains[groups[at]] += margins[i] * (np.int64(state[at] >= MEMBER) - np.int64(members[i]))
    for i in range(zone.size):
        at = np.uint64(zone[i])
        keeps = state[at] >= MEMBER if gains[groups[at]] > 0 else members[i]
        level = 0 if opened[i] else state[at] & LEVEL
        state[at] = level | (MEMBER if keeps else 0)
        groups[at] = 0


@compiled
def hand_over(state: Array, labels: Array, voxels: Array, tissue: int) -> None:
    """Give those of some voxels that are members their label, and forget their states, all in place."""
    for voxel in voxels:
        at = np.uint64(voxel)
        if state[at] >= MEMBER:
            labels[at] = tissue
        state[at] = 0
