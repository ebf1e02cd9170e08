"""A region as one solid piece without loop or cavity: a ball, that holds a given core.

It grows from a voxel, or from a core that is a ball already, by simple points alone, and what this leaves over is
corrected as tissues are in ``inference.topology.correction``: by the thinnest skin or thread that closes a hole or a
gap, where that costs fewer voxels than the cut.
"""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_cdt

from feta.labels import foreground_box
from inference.topology.correction import REACHES
from inference.topology.growth import MEMBER, OWN, spread, states
from inference.topology.start import deepest, support
from inference.topology.swelling import FREE, open_zone, settle, zones

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

#: A skin may lie a few voxels outside.
_MARGIN = 3
_SELF, _OTHERS = 1, 2


def ball(mask: Mask, forbidden: Mask, core: Mask | None = None) -> Mask:
    """The ball (Betti numbers 1, 0, 0; 6-connected, its background 26-connected) that follows a mask.

    Args:
        mask: (Z, Y, X) bool, what is followed: its largest component, or the one that touches the core; cavities of
            it count as filled.
        forbidden: likewise, where the ball must not go, unless enclosed by the mask.
        core: a ball that it must hold; None for none.

    Returns:
        (Z, Y, X) bool; empty where the mask is.
    """
    result = np.zeros(mask.shape, bool)
    wanted = mask if core is None else mask | core
    extent = foreground_box(wanted)
    if extent is None:
        return result
    box = tuple(slice(max(0, s.start - _MARGIN), s.stop + _MARGIN) for s in extent)
    held = None if core is None or not core.any() else np.pad(core[box], 1)
    solid = _solid(np.pad(wanted[box], 1), held)
    result[box] = _grown(solid, np.pad(forbidden[box], 1), held)[1:-1, 1:-1, 1:-1]
    return result


def _solid(mask: Mask, core: Mask | None) -> Mask:
    """The component that counts, its cavities filled."""
    parts = cc3d.connected_components(mask, connectivity=6)
    first = int(np.bincount(parts[mask] if core is None else parts[core]).argmax())
    outside = cc3d.connected_components(parts != first, connectivity=26)
    # The margin is outside, and the first voxel lies in it.
    return np.asarray(outside != outside[0, 0, 0])


def _grown(solid: Mask, forbidden: Mask, core: Mask | None) -> Mask:
    """Grow through a solid with a margin (Z, Y, X)."""
    shape, row, plane = solid.shape, np.uint64(solid.shape[2]), np.uint64(solid.shape[1] * solid.shape[2])
    scores = np.where(solid[1:-1, 1:-1, 1:-1], np.uint8(255), np.uint8(0))
    scores = np.stack([255 - scores, scores])
    own = np.flatnonzero(solid).astype(np.int32)
    labels, groups, state = np.full(solid.size, FREE, np.uint8), np.zeros(solid.size, np.int32), states(solid.size)
    labels[forbidden.ravel() & ~solid.ravel()] = _OTHERS
    if core is None:
        target = solid.ravel().astype(np.uint8)
        depth = support(target, scores, own, row, plane)
        seeds = np.array([deepest(own, target.astype(np.uint32), depth)], np.int32)
        state[own] = depth[own] + np.uint16(OWN)
    else:
        # By layers from the core, so that two walls of a sulcus meet in its middle.
        layers = distance_transform_cdt(~core, metric="chessboard").ravel()
        seeds = np.flatnonzero(core).astype(np.int32)
        state[own] = OWN + 255 - np.minimum(layers[own], 255)
    state[seeds] |= MEMBER
    near = _dilated(seeds, shape) if core is None else own
    spread(state, near, row, plane, False)
    for reach in REACHES:
        over = own[state[own] < MEMBER]
        if not len(over):
            break
        zone = zones(over, reach, groups, row, plane)
        before = open_zone(state, labels, scores, zone, _SELF, row, plane)
        spread(state, zone, row, plane, False)
        spread(state, zone, row, plane, True)
        settle(state, groups, zone, *before)
    return np.asarray(state[: solid.size] >= MEMBER).reshape(shape)


def _dilated(seeds: Array, shape: tuple[int, ...]) -> Array:
    """The voxels around some."""
    plane, row = shape[1] * shape[2], shape[2]
    steps = [z * plane + y * row + x for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return np.asarray(seeds[:, None] + np.array(steps), np.int32).ravel()
