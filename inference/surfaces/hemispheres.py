"""The two hemispheres of a label map: what the white matter encloses on each side, and its cortex.

Enclosed are white matter, deep grey matter and ventricles up to the mid-sagittal plane, where the surfaces close;
below, they close where brainstem and cerebellum begin. FeTA's ventricles hold the fourth, too: what lies nearer to the
hindbrain than to the hemispheres is left out. A gyrus that bulges over the plane is an island on the other side, and
goes back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from feta.labels import Tissue, foreground_box
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.sides import NEAR_MM, SIDES, THINNED_MM, across_plane

Mask = npt.NDArray[np.bool_]
_HINDBRAIN = (Tissue.CBM, Tissue.BSM)
_HEMISPHERES = (Tissue.WM, Tissue.SGM)


@dataclass(frozen=True)
class Hemispheres:
    """Both sides of a label map, within the box that holds all labels.

    Attributes:
        start: where the box begins in the map, (z, y, x).
        inner: by side, the white matter and what it encloses (z, y, x).
        cortex: by side, grey matter.
        hindbrain: cerebellum and brainstem, where no surface goes.
    """

    start: tuple[int, int, int]
    inner: dict[str, Mask]
    cortex: dict[str, Mask]
    hindbrain: Mask


def hemispheres(labels: Volume, aligned: AlignedLabels) -> Hemispheres:
    """Tell the sides apart.

    Args:
        labels: uint8 (z, y, x), not empty.
        aligned: the same, upright: gives the plane.
    """
    box = foreground_box(labels.array)
    assert box is not None
    array = labels.array[box]
    start = (box[0].start, box[1].start, box[2].start)
    across = across_plane(labels.grid, aligned, start, array.shape)
    steps = np.array(labels.grid.spacing)[::-1]
    enclosed = np.isin(array, (*_HEMISPHERES, Tissue.VM))
    enclosed &= ~_fourth_ventricle(array, steps)
    inner = _without_islands([enclosed & (across <= 0), enclosed & (across > 0)])
    cortex = array == Tissue.GM
    right = _nearer_to_right(cortex, across, inner, steps)
    sides = (cortex & ~right, cortex & right)
    return Hemispheres(
        start, dict(zip(SIDES, inner, strict=True)), dict(zip(SIDES, sides, strict=True)), np.isin(array, _HINDBRAIN)
    )


def _fourth_ventricle(array: npt.NDArray[np.uint8], steps: npt.NDArray[np.float64]) -> Mask:
    """Ventricles that lie nearer to the hindbrain than to white and deep grey matter."""
    found = np.zeros(array.shape, bool)
    ventricles = np.argwhere(array == Tissue.VM)
    below, above = (_thinned(np.isin(array, tissues), steps) for tissues in (_HINDBRAIN, _HEMISPHERES))
    if len(ventricles) and len(below) and len(above):
        to_below, to_above = (cKDTree(places).query(ventricles * steps)[0] for places in (below, above))
        found[tuple(ventricles[to_below < to_above].T)] = True
    return found


def _thinned(mask: Mask, steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Places (N, 3), mm, of a mask's voxels about ``THINNED_MM`` apart."""
    z, y, x = (max(1, round(THINNED_MM / step)) for step in steps)
    return np.asarray(np.argwhere(mask[::z, ::y, ::x]) * (np.array([z, y, x]) * steps), np.float64)


def _without_islands(sides: list[Mask]) -> list[Mask]:
    """Islands beside each side's largest component go to the other side, where they touch it, or are left out."""
    parts = [cc3d.connected_components(side, connectivity=6) for side in sides]
    largest = [part == np.bincount(part[part > 0]).argmax() if part.any() else part > 0 for part in parts]
    islands = [side & ~main for side, main in zip(sides, largest, strict=True)]
    found = []
    for main, others in zip(largest, reversed(islands), strict=True):
        together = cc3d.connected_components(main | others, connectivity=6)
        found.append(np.asarray(together == together[main][0]) if main.any() else main)
    return found


def _nearer_to_right(
    cortex: Mask, across: npt.NDArray[np.float32], inner: list[Mask], steps: npt.NDArray[np.float64]
) -> Mask:
    """Cortex on the right: by the plane, and near it by what it is nearer to, as for volumes."""
    right = cortex & (across > 0)
    near = np.argwhere(cortex & (np.abs(across) < NEAR_MM))
    places = [_thinned(side, steps) for side in inner]
    if not len(near) or not all(map(len, places)):
        return np.asarray(right)
    to_left, to_right = (cKDTree(each).query(near * steps)[0] for each in places)
    own = right[tuple(near.T)]
    unlike = np.abs(to_left - to_right) >= THINNED_MM / 2
    right[tuple(near.T)] = np.where(unlike, to_right < to_left, own)
    return np.asarray(right)
