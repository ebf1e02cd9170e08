"""Growth and shrinkage against a plain loop over lists, where many voxels wait at one level."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from inference.topology.growth import LEVEL, MEMBER, OWN, WAITS, spread, states
from tests.support.topology_oracles import by_definition

SIDE = 14
ROW, PLANE = SIDE, SIDE * SIDE
AROUND = [z * PLANE + y * ROW + x for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def plainly(state: np.ndarray, candidates: np.ndarray, leaving: bool) -> np.ndarray:
    """What ``spread`` says it does, voxel by voxel."""
    found = state.astype(np.int64)
    lists: list[deque[int]] = [deque() for _ in range(OWN + 257)]
    waits: set[int] = set()

    def can_move(at: int) -> bool:
        low, high = (MEMBER, MEMBER + OWN) if leaving else (0, WAITS)
        return low < found[at] < high and at not in waits

    def is_simple(at: int) -> bool:
        return by_definition(np.array([found[at + step] >= MEMBER for step in AROUND]))

    def push(at: int) -> None:
        level = int(found[at]) & LEVEL
        lists[OWN - level if leaving else level].append(at)
        waits.add(at)

    for at in map(int, candidates):
        if can_move(at) and is_simple(at):
            push(at)
    while any(lists):
        at = next(each for each in reversed(lists) if each).popleft()
        waits.remove(at)
        if is_simple(at):
            found[at] ^= MEMBER
            for step in AROUND:
                if step and can_move(at + step):
                    push(at + step)
    return found.astype(np.uint16)


@pytest.mark.parametrize("levels", [1, 3, 500])
@pytest.mark.parametrize("seed", range(3))
def test_voxels_move_as_a_plain_loop_moves_them(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    inner = np.zeros((SIDE, SIDE, SIDE), bool)
    inner[1:-1, 1:-1, 1:-1] = True
    level = rng.integers(1, levels + 1, inner.shape) * (rng.random(inner.shape) < 0.85) * inner
    state = states(inner.size)
    state[:-1] = np.minimum(level.ravel(), OWN - 1)
    state[(SIDE // 2) * (PLANE + ROW + 1)] |= MEMBER
    zone = np.flatnonzero(inner).astype(np.int32)
    for leaving in (False, True):
        expected = plainly(state, zone, leaving)
        spread(state, zone, np.uint64(ROW), np.uint64(PLANE), leaving)
        assert np.array_equal(state, expected)
    assert not (state & WAITS).any()
