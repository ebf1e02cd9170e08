"""Label maps whose topology is right by construction.

A tissue that grows from one voxel, and only by simple points, keeps the Betti
numbers of that voxel, (1, 0, 0), whatever shape it fills. Simple points and
their local test: Bertrand and Malandain, Pattern Recognition Letters 15 (1994);
foreground 6-connected, background 26-connected, as the challenge counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import TISSUES, Tissue
from inference.compiled import compiled

#: Not yet given to any tissue.
_FREE = np.uint8(255)
#: Growth in depth starts this far (voxels) below the deepest point; where fronts meet awkwardly another start helps.
_FIRST_STEPS = (0.0, 0.5, 2.0, 1.25)
#: Share of a tissue that may be left over without another try.
_GOOD = 1e-4


def _neighbourhood() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """For the 27 cells of a 3×3×3 block: offsets (27, 3), distance class 0–3, and lists of 6- and 26-neighbours."""
    cells = np.array([(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)], dtype=np.int8)
    kind = np.abs(cells).sum(axis=1).astype(np.int8)
    near, wide = np.full((27, 27), -1, np.int8), np.full((27, 27), -1, np.int8)
    for i in range(27):
        gap = np.abs(cells.astype(int) - cells[i])
        faces = np.flatnonzero(gap.sum(axis=1) == 1)
        touching = np.flatnonzero(gap.max(axis=1) == 1)
        near[i, : len(faces)], wide[i, : len(touching)] = faces, touching
    return cells, kind, near, wide


_CELLS, _KIND, _NEAR, _WIDE = _neighbourhood()
_CENTRE = 13


@compiled
def _one_component(inside: npt.NDArray, eligible: npt.NDArray, links: npt.NDArray, seeds: npt.NDArray) -> bool:
    """Whether the eligible cells that are linked to seed cells form one component, and there is one."""
    seen = np.zeros(27, np.bool_)
    stack = np.empty(27, np.int8)
    components = 0
    for start in range(27):
        if not (inside[start] and eligible[start] and seeds[start]) or seen[start]:
            continue
        components += 1
        if components > 1:
            return False
        seen[start] = True
        stack[0], top = start, 1
        while top > 0:
            top -= 1
            cell = stack[top]
            for other in links[cell]:
                if other < 0:
                    break
                if inside[other] and eligible[other] and not seen[other]:
                    seen[other] = True
                    stack[top] = other
                    top += 1
    return components == 1


@compiled
def is_simple(block: npt.NDArray) -> bool:
    """Whether adding or removing the centre of a block changes no Betti number.

    Args:
        block: (27,) bool, a 3×3×3 neighbourhood in C order; the value of the centre is not looked at.
    """
    outside = ~block
    if not _one_component(block, (_KIND == 1) | (_KIND == 2), _NEAR, _KIND == 1):
        return False
    return _one_component(outside, _KIND > 0, _WIDE, _KIND > 0)


@compiled
def _can_join(labels: npt.NDArray, z: int, y: int, x: int, tissue: int) -> bool:
    block = np.empty(27, np.bool_)
    for i in range(27):
        block[i] = labels[z + _CELLS[i, 0], y + _CELLS[i, 1], x + _CELLS[i, 2]] == tissue
    return is_simple(block)


@compiled
def _front(labels: npt.NDArray, reach: npt.NDArray, tissue: int) -> npt.NDArray:
    """Free voxels (n, 3) within reach that touch a tissue."""
    found = []
    for z in range(1, labels.shape[0] - 1):
        for y in range(1, labels.shape[1] - 1):
            for x in range(1, labels.shape[2] - 1):
                if reach[z, y, x] and labels[z, y, x] == 255:
                    near = labels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2]
                    if (near == tissue).any():
                        found.append((z, y, x))
    front = np.empty((len(found), 3), np.int32)
    for i in range(len(found)):
        front[i] = found[i]
    return front


@compiled
def _grow(labels: npt.NDArray, reach: npt.NDArray, tissue: int) -> None:
    """Let a tissue grow in place, by simple points and breadth first, over the free voxels within reach."""
    front = _front(labels, reach, tissue)
    waiting = np.zeros(labels.shape, np.bool_)
    for z, y, x in front:
        waiting[z, y, x] = True
    while len(front) > 0:
        following = []
        for z, y, x in front:
            waiting[z, y, x] = False
            if not _can_join(labels, z, y, x, tissue):
                continue
            labels[z, y, x] = tissue
            for i in range(27):
                a, b, c = z + _CELLS[i, 0], y + _CELLS[i, 1], x + _CELLS[i, 2]
                if reach[a, b, c] and labels[a, b, c] == 255 and not waiting[a, b, c]:
                    waiting[a, b, c] = True
                    following.append((a, b, c))
        front = np.empty((len(following), 3), np.int32)
        for i in range(len(following)):
            front[i] = following[i]


@compiled
def _share_out(labels: npt.NDArray, rest: npt.NDArray) -> int:
    """Give each left-over voxel (n, 3) to a tissue beside it that it may join; returns how many were given."""
    given = 0
    for z, y, x in rest:
        if labels[z, y, x] != 255:
            continue
        for i in range(27):
            tissue = labels[z + _CELLS[i, 0], y + _CELLS[i, 1], x + _CELLS[i, 2]]
            if _KIND[i] == 1 and tissue != 255 and tissue != 0 and _can_join(labels, z, y, x, tissue):
                labels[z, y, x] = tissue
                given += 1
                break
    return given


def _depth(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Distance of every voxel of a mask from its surface, in voxels."""
    depth = np.zeros(mask.shape, np.float32)
    for box in ndimage.find_objects(mask.astype(np.uint8)):
        depth[box] = ndimage.distance_transform_edt(np.pad(mask[box], 1))[1:-1, 1:-1, 1:-1]
    return depth


def grow_tissues(target: npt.NDArray[np.uint8], left: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The label map nearest to a drawn one in which every tissue has exactly its expected Betti numbers.

    Each tissue grows from its deepest voxel, first where it is thick and then where it is thin,
    so that it is cut, where it must be cut, at its thinnest.

    Args:
        target: (z, y, x) uint8, labels 0–7, every label present; grey matter on both sides.
        left: (z, y, x) bool, whether a voxel belongs to the left hemisphere.

    Returns:
        (z, y, x) uint8. Voxels that fit nowhere (a few at most) become background.
    """
    padded = np.pad(target, 2)
    side = np.pad(left, 2)
    labels = np.where(padded > 0, _FREE, np.uint8(0))
    for tissue in TISSUES:
        depth = _depth(padded == tissue)
        parts = [side, ~side] if tissue is Tissue.GM else [np.ones_like(side)]
        seeds = [np.unravel_index(np.argmax(depth * part), depth.shape) for part in parts]
        labels[_filled(labels, depth, seeds, tissue)] = tissue
    rest = np.argwhere(labels == _FREE)
    while _share_out(labels, rest):
        rest = rest[labels[tuple(rest.T)] == _FREE]
    labels[labels == _FREE] = 0
    return np.ascontiguousarray(labels[2:-2, 2:-2, 2:-2])


def _filled(labels: npt.NDArray, depth: npt.NDArray, seeds: list, tissue: Tissue) -> npt.NDArray[np.bool_]:
    """Where one tissue grows to: the best of a few orders of growth, as soon as one is good."""
    wanted = int((depth > 0).sum())
    best = np.zeros(labels.shape, bool)
    for first in _FIRST_STEPS:
        grown = labels.copy()
        for seed in seeds:
            grown[seed] = tissue
        for level in (*np.arange(int(depth.max()) - first, 1.5, -1), 1.4, 1.0):
            _grow(grown, depth >= level, int(tissue))
        here = grown == tissue
        if here.sum() > best.sum():
            best = here
        if wanted - best.sum() <= _GOOD * wanted:
            break
    return best
