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
from scipy import ndimage

from feta.labels import LABEL_COUNT, Tissue
from inference.topology.kernels import FREE, IDLE, OWN, flip, grow, shrink, support, zones

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
    """A map under construction; all arrays are rows of voxels with a margin.

    Attributes:
        shape: (Z, Y, X) of the map with its margin.
        target: uint8, the likeliest label of every voxel.
        scores: (8, voxels) uint8.
        support: uint8, how surely a voxel lies within its target.
        labels: uint8, 0–7 or ``FREE``.
        following, groups: int32, for the kernels.
    """

    shape: tuple[int, int, int]
    target: Array
    scores: Array
    support: Array
    labels: Array
    following: Array
    groups: Array

    @property
    def steps(self) -> tuple[int, int]:
        """How far apart neighbours along y and z are."""
        return self.shape[2], self.shape[1] * self.shape[2]


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
    found = ndimage.find_objects((labels > 0).astype(np.uint8))
    if not found:
        return result
    # Skins may lie a few voxels outside.
    box = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in found[0])
    work = _started(labels[box], scores[(slice(None), *box)])
    parts = cc3d.connected_components(work.target.reshape(work.shape), connectivity=6).ravel()
    side = np.pad(left[box], 1).ravel()
    for tissue in ORDER:
        _place(work, tissue, _seeds(work, tissue, parts, side))
    work.labels[work.labels == FREE] = 0
    changed = np.flatnonzero(work.labels != work.target).astype(np.int32)
    flip(work.labels, work.scores, work.following, changed, *work.steps)
    result[box] = work.labels.reshape(work.shape)[1:-1, 1:-1, 1:-1]
    return result


def _started(labels: Array, scores: Array) -> _Map:
    """Labels (Z, Y, X) and scores (8, Z, Y, X) with a margin, in which background is certain, and nothing placed."""
    target = np.pad(labels, 1)
    padded = np.pad(scores, ((0, 0), (1, 1), (1, 1), (1, 1)))
    padded[0] = np.pad(scores[0], 1, constant_values=255)
    shape, count = target.shape, target.size
    rows = padded.reshape(len(padded), count)
    sure = support(target.ravel(), rows, shape[2], shape[1] * shape[2])
    free, idle = np.full(count, FREE, np.uint8), np.full(count, IDLE, np.int32)
    return _Map(shape, target.ravel(), rows, sure, free, idle, np.zeros(count, np.int32))


def _seeds(work: _Map, tissue: Tissue, parts: Array, left: Array) -> list[int]:
    """Where a tissue starts: the surest voxel of its largest component, of each side's for grey matter."""
    own = np.flatnonzero((work.target == tissue) & (work.labels == FREE))
    sides = [own[left[own]], own[~left[own]]] if tissue is Tissue.GM else [own]
    seeds: list[int] = []
    row, plane = work.steps
    for side in sides:
        # Seeds of two hemispheres that touch would be one.
        voxels = side[~np.isin(side, [s + step for s in seeds for step in (-plane, -row, -1, 1, row, plane)])]
        if len(voxels):
            largest = voxels[parts[voxels] == np.bincount(parts[voxels]).argmax()]
            seeds.append(int(largest[work.support[largest].argmax()]))
    return seeds


def _place(work: _Map, tissue: Tissue, seeds: list[int]) -> None:
    """Let a tissue grow from its seeds over the voxels that are its own, then correct what is left over."""
    own = (work.target == tissue) & (work.labels == FREE)
    levels = np.where(own, work.support + np.uint16(OWN - 1) + np.uint16(1), np.uint16(0))
    row, plane = work.steps
    around = np.array(
        [s + z * plane + y * row + x for s in seeds for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    )
    work.labels[seeds] = tissue
    grow(work.labels, levels, work.following, around.astype(np.int32), int(tissue), row, plane)
    for reach in REACHES:
        left = np.flatnonzero(own & (work.labels == FREE)).astype(np.int32)
        if len(left) == 0:
            return
        _swell_and_shrink(work, tissue, levels, left, reach)


def _swell_and_shrink(work: _Map, tissue: Tissue, levels: Array, left: Array, reach: int) -> None:
    """Swell over holes and gaps near what was left over, shrink back, and keep what gained score.

    Groups of cubes do not touch, so that no simple point of one depends on another: each is kept or undone alone.
    """
    zone = zones(left, reach, work.groups, *work.steps)
    before = work.labels[zone].copy()
    others = work.scores[:, zone].astype(np.int16)
    mine = others[tissue].copy()
    others[tissue] = -1
    margin = mine - others.max(axis=0)
    taken = (levels[zone] == 0) & ((before == FREE) | (before == tissue))
    levels[zone[taken]] = np.clip(margin[taken] + 256, 1, OWN - 1)
    grow(work.labels, levels, work.following, zone, int(tissue), *work.steps)
    shrink(work.labels, levels, work.following, zone, int(tissue), *work.steps)
    levels[zone[taken]] = 0
    groups = work.groups[zone]
    change = (work.labels[zone] == tissue).astype(np.int16) - (before == tissue)
    gains = np.bincount(groups, weights=change * margin)
    worse = gains[groups] <= 0
    work.labels[zone[worse]] = before[worse]
    work.groups[zone] = 0


def warm_up() -> None:
    """Compile every loop, by construction on a small map in which something is wrong: a hole and a cut."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:10, 2:10, 2:10] = Tissue.WM
    labels[5, :, 5] = labels[2:10, 8, 2:10] = 0
    construct(labels, sure_scores(labels), np.zeros(labels.shape, bool))


if __name__ == "__main__":
    warm_up()
