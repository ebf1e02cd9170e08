"""Label maps that have the right topology by construction.

Every tissue grows from one voxel (grey matter from one in each hemisphere), and then only by simple points, so
that it keeps the Betti numbers that the challenge's table expects: one component, no loop, no cavity. What this
leaves over, a loop's cut or an island, is corrected where that is cheaper: the tissue swells over the hole or
the gap and shrinks back to the thinnest skin or thread that closes it. At last every voxel goes to the
likeliest neighbouring label for which it is simple, as it must be for the label that it leaves.

Thin tissues come first, since they are torn most easily; those that come later take nothing from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from feta.labels import LABEL_COUNT, Tissue, foreground_box
from inference.topology.flips import flip
from inference.topology.growth import MEMBER, OWN, spread, states
from inference.topology.start import deepest, support, tissue_voxels
from inference.topology.swelling import FREE, hand_over, open_zone, settle, zones

Array = npt.NDArray[Any]

ORDER = (Tissue.ECSF, Tissue.GM, Tissue.WM, Tissue.VM, Tissue.CBM, Tissue.SGM, Tissue.BSM)
#: How far (voxels) around what is left over a tissue may swell, in one try after the other.
REACHES = (2, 4, 8)


def sure_scores(labels: Array) -> Array:
    """Scores (8, Z, Y, X) uint8 of labels (Z, Y, X) that are certain, for ``construct``."""
    same = labels == np.arange(LABEL_COUNT, dtype=np.uint8)[:, None, None, None]
    return np.where(same, np.uint8(255), np.uint8(0))


@dataclass
class _Map:
    """A map under construction; all arrays are rows of voxels with a margin, but for ``scores``.

    Attributes:
        shape: (Z, Y, X) of the map with its margin.
        target: uint8, the likeliest label of every voxel.
        scores: (8, Z, Y, X) uint8, without the margin.
        own: int32, of each label, the voxels whose likeliest label it is, in ascending order.
        parts: uint32, the components of ``target``.
        depth: uint8, how surely a voxel lies within its target.
        labels: uint8, 0–7 or ``FREE``.
        state: uint16, of the tissue that is being placed; nothing before and after.
        groups: int32, for the kernels.
    """

    shape: tuple[int, int, int]
    target: Array
    scores: Array
    own: list[Array]
    parts: Array
    depth: Array
    labels: Array
    state: Array
    groups: Array

    @property
    def steps(self) -> tuple[np.uint64, np.uint64]:
        """How far apart neighbours along y and z are."""
        return np.uint64(self.shape[2]), np.uint64(self.shape[1] * self.shape[2])


def construct(labels: Array, scores: Array, left: Array) -> Array:
    """The label map with the table's Betti numbers that follows the scores.

    Args:
        labels: (Z, Y, X) uint8, the likeliest label of every voxel, without stray islands.
        scores: (8, Z, Y, X) uint8, probabilities of all labels in units of 1/255.
        left: (Z, Y, X) bool, whether a voxel lies in the left hemisphere.

    Returns:
        (Z, Y, X) uint8. A tissue that has no voxel in ``labels`` has none here either; each other one is a
        single component without loop or cavity, grey matter one in each hemisphere where it has a voxel.
    """
    result = np.zeros_like(labels)
    extent = foreground_box(labels)
    if extent is None:
        return result
    # Skins may lie a few voxels outside.
    box = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in extent)
    # Contiguous whatever the box, since the kernels are compiled anew for another layout.
    work = _started(labels[box], np.ascontiguousarray(scores[(slice(None), *box)]))
    for tissue in ORDER:
        _place(work, tissue, left[box])
    work.labels[work.labels == FREE] = 0
    changed = np.flatnonzero(work.labels != work.target).astype(np.int32)
    flip(work.labels, work.scores, work.state, changed, *work.steps)
    result[box] = work.labels.reshape(work.shape)[1:-1, 1:-1, 1:-1]
    return result


def _started(labels: Array, scores: Array) -> _Map:
    """Labels (Z, Y, X) and scores (8, Z, Y, X) with a margin, in which background is certain, and nothing placed."""
    padded = np.pad(labels, 1)
    target, shape, count = padded.ravel(), padded.shape, padded.size
    parts = cc3d.connected_components(padded, connectivity=6).ravel()
    steps = np.uint64(shape[2]), np.uint64(shape[1] * shape[2])
    voxels, by_label, begins = tissue_voxels(target)
    depth = support(target, scores, voxels, *steps)
    own = np.split(by_label, begins[1:-1])
    free, groups = np.full(count, FREE, np.uint8), np.zeros(count, np.int32)
    return _Map(shape, target, scores, own, parts, depth, free, states(count), groups)


def _seeds(work: _Map, tissue: Tissue, own: Array, left: Array) -> list[int]:
    """Where a tissue starts: the surest voxel of its largest component, of each side's for grey matter."""
    sides = [own]
    if tissue is Tissue.GM:
        z, y, x = np.unravel_index(own, work.shape)
        on_left = left[z - 1, y - 1, x - 1]
        sides = [own[on_left], own[~on_left]]
    seeds: list[int] = []
    row, plane = (int(step) for step in work.steps)
    for side in sides:
        # Seeds of two hemispheres that touch would be one.
        voxels = side[~np.isin(side, [s + step for s in seeds for step in (-plane, -row, -1, 1, row, plane)])]
        if len(voxels):
            seeds.append(int(deepest(voxels, work.parts, work.depth)))
    return seeds


def _place(work: _Map, tissue: Tissue, left: Array) -> None:
    """Let a tissue grow from its seeds over the voxels that are its own, then correct what is left over."""
    own = work.own[tissue]
    own = own[work.labels[own] == FREE]
    seeds = _seeds(work, tissue, own, left)
    work.state[own] = work.depth[own] + np.uint16(OWN)
    work.state[seeds] |= MEMBER
    row, plane = (int(step) for step in work.steps)
    around = [s + z * plane + y * row + x for s in seeds for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    spread(work.state, np.array(around, np.int32), *work.steps, False)
    touched = [own]
    for reach in REACHES:
        over = own[work.state[own] < MEMBER]
        if len(over) == 0:
            break
        touched.append(_swell_and_shrink(work, tissue, over, reach))
    for voxels in touched:
        hand_over(work.state, work.labels, voxels, int(tissue))


def _swell_and_shrink(work: _Map, tissue: Tissue, over: Array, reach: int) -> Array:
    """Swell over holes and gaps near what was left over, shrink back, and keep what gained score; the voxels there.

    Groups of cubes do not touch, so that no simple point of one depends on another: each is kept or undone alone.
    """
    zone = zones(over, reach, work.groups, *work.steps)
    before = open_zone(work.state, work.labels, work.scores, zone, int(tissue), *work.steps)
    spread(work.state, zone, *work.steps, False)
    spread(work.state, zone, *work.steps, True)
    settle(work.state, work.groups, zone, *before)
    return zone


def warm_up() -> None:
    """Compile every loop, by construction on a small map in which something is wrong: a hole and a cut."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:10, 2:10, 2:10] = Tissue.WM
    labels[5, :, 5] = labels[2:10, 8, 2:10] = 0
    construct(labels, sure_scores(labels), np.zeros(labels.shape, bool))
