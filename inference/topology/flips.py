"""Flips: single voxels that go to a likelier neighbouring label, where topology lets them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled, inlined
from inference.topology.simple_points import is_simple, neighbourhood

Array = npt.NDArray[Any]

#: Gains are 1–256.
_GAINS, _NONE = 257, -1
_ONE, _THREE = np.uint64(1), np.uint64(3)


@inlined
def score_of(scores: Array, label: int, at: Any, row: Any, plane: Any) -> Any:
    """A label's score at a voxel of the map with its margin, in which background is certain: 0–255.

    Args:
        scores: (8, Z, Y, X) uint8, without the margin.
        label: 0–7.
        at: uint64, index of the voxel; ``row`` and ``plane`` as everywhere.
    """
    z, y, x = at // plane, at % plane // row, at % row
    inner = (z - _ONE < scores.shape[1]) & (y - _ONE < scores.shape[2]) & (x - _ONE < scores.shape[3])
    if inner:  # of an unsigned 0 the predecessor is beyond any size
        return np.int64(scores[label, z - _ONE, y - _ONE, x - _ONE])
    return np.int64(255 if label == 0 else 0)


@compiled
def _best_gain(labels: Array, scores: Array, at: Any, row: Any, plane: Any) -> Any:
    """The neighbouring label that a voxel gains most by taking, where both it and its own allow that, and the gain."""
    own = labels[at]
    here = score_of(scores, own, at, row, plane)
    best, best_gain = own, np.int64(0)
    for neighbour in (at - plane, at - row, at - _ONE, at + _ONE, at + row, at + plane):
        label = labels[neighbour]
        if label == own:
            continue
        # Between equals, tissue rather than background: what is left over lies within the brain.
        gain = score_of(scores, label, at, row, plane) - here + np.int64(own == 0)
        if gain > best_gain and (label == 0 or is_simple(neighbourhood(labels, at, row, plane, label))):
            best, best_gain = label, gain
    if best_gain > 0 and own != 0 and not is_simple(neighbourhood(labels, at, row, plane, own)):
        return own, np.int64(0)
    return best, best_gain


@compiled
def _push(heads: Array, tails: Array, following: Array, at: Any, gain: int) -> None:
    following[at] = _NONE
    if heads[gain] == _NONE:
        heads[gain] = at
    else:
        following[tails[gain]] = at
    tails[gain] = at


@compiled
def flip(labels: Array, scores: Array, waits: Array, candidates: Array, row: Any, plane: Any) -> None:
    """Give voxels in place to neighbouring labels that they score higher for, most gain first.

    A voxel moves only where it is simple for the tissue that it leaves and for the one that it joins;
    background is no tissue.

    Args:
        labels: uint8, 0–7, with the margin.
        scores: (8, Z, Y, X) uint8, without it.
        waits: of as many voxels as ``labels``, 0 everywhere before and after.
        candidates: int32, voxels to begin with; their neighbours follow.
    """
    heads, tails = np.full(_GAINS, _NONE, np.int32), np.full(_GAINS, _NONE, np.int32)
    following = np.empty(labels.size, np.int32)
    highest = 0
    for candidate in candidates:
        at = np.uint64(candidate)
        _, gain = _best_gain(labels, scores, at, row, plane)
        if gain > 0 and not waits[at]:
            waits[at] = 1
            _push(heads, tails, following, at, gain)
            highest = max(highest, gain)
    while highest > 0:
        if heads[highest] == _NONE:
            highest -= 1
            continue
        at = np.uint64(heads[highest])
        heads[highest] = following[at]
        label, gain = _best_gain(labels, scores, at, row, plane)
        # The neighbours have changed since it was queued: its turn comes with those of its new gain.
        if 0 < gain != highest:
            _push(heads, tails, following, at, gain)
            highest = max(highest, gain)
            continue
        waits[at] = 0
        if gain == 0:
            continue
        labels[at] = label
        start = at - plane - row - _ONE
        for _ in range(3):
            for _ in range(3):
                for x in range(3):
                    other = start + np.uint64(x)
                    if not waits[other] and score_of(scores, labels[other], other, row, plane) < 255:
                        _, gain = _best_gain(labels, scores, other, row, plane)
                        if gain > 0:
                            waits[other] = 1
                            _push(heads, tails, following, other, gain)
                            highest = max(highest, gain)
                start += row
            start += plane - _THREE * row
