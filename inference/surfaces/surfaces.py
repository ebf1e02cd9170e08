"""White and pial surfaces of a label map's hemispheres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feta.labels import Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.further_lengths import NARROWEST, brain_extent
from inference.morphometry.sides import SIDES, why_unknown
from inference.surfaces.hemispheres import Hemispheres, Mask, hemispheres
from inference.surfaces.mesh import Mesh, mesh_of
from inference.surfaces.self_intersections import self_intersections
from inference.surfaces.shape import Shape, shape_of
from inference.surfaces.smoothing import smoothed
from inference.topology.ball import ball

WHITE, PIAL = "white", "pial"
#: Side and kind of each surface, in the order of tables.
SURFACES = tuple((side, kind) for kind in (WHITE, PIAL) for side in SIDES)
#: Less of a hemisphere's white matter than this (mm³) is none.
SMALLEST_MM3 = 1000.0
SPHERE = 2
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Surface:
    """One surface.

    Attributes:
        mesh: in the image's RAS mm.
        shape: what it measures.
        euler: V − E + F.
        self_intersections: pairs of triangles that pass through each other.
        filled_ml: what the voxels gained by the construction of topology: cavities, holes, gaps.
        cut_ml: what they lost: islands, threads.
    """

    mesh: Mesh
    shape: Shape
    euler: int
    self_intersections: int
    filled_ml: float
    cut_ml: float


#: A surface, or in a few words why there is none.
Found = Surface | str


def make_surfaces(labels: Volume, aligned: AlignedLabels | None) -> dict[tuple[str, str], Found]:
    """The white and pial surface of each side, each of genus 0.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        aligned: the same, upright; None where the map is empty or nobody knows how the brain lies.

    Returns:
        by side and kind, in the order of ``SURFACES``.
    """
    if reason := _why_none(labels, aligned):
        return dict.fromkeys(SURFACES, reason)
    assert aligned is not None
    brain = hemispheres(labels, aligned)
    found: dict[tuple[str, str], Found] = {}
    masks: dict[str, Mask] = {}
    taken = brain.hindbrain
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        if brain.inner[side].sum() * np.prod(labels.grid.spacing) < SMALLEST_MM3:
            found[side, WHITE] = found[side, PIAL] = "no white matter on that side"
            continue
        masks[side] = ball(brain.inner[side], taken | brain.inner[other])
        taken = taken | masks[side]
        found[side, WHITE] = _surface(masks[side], brain.inner[side], labels, brain)
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        if side not in masks:
            continue
        if not brain.cortex[side].any():
            found[side, PIAL] = "no cortex on that side"
            continue
        wanted = brain.cortex[side] & ~taken | masks[side]
        pial = ball(wanted, (taken & ~masks[side]) | brain.cortex[other], masks[side])
        taken = taken | pial
        found[side, PIAL] = _surface(pial, wanted, labels, brain)
    return {key: found[key] for key in SURFACES}


def _why_none(labels: Volume, aligned: AlignedLabels | None) -> str:
    """Why no surface can be made, in a few words; "" where some can."""
    if unknown := why_unknown(labels.grid):
        return f"left and right are unknown: {unknown}"
    if aligned is None:
        return "the label map is empty, or doesn't tell how the brain lies"
    if not (labels.array == Tissue.WM).any():
        return "no white matter in the label map"
    width, length = brain_extent(aligned)
    return "half a brain, or one that is cut" if width < NARROWEST * length else ""


def _surface(mask: Mask, wanted: Mask, labels: Volume, brain: Hemispheres) -> Found:
    raw = mesh_of(mask)
    if raw.euler != SPHERE:  # never by construction; a result that isn't what it says must not leave
        return f"its Euler characteristic is {raw.euler}, not {SPHERE}"
    to_ras = _LPS_TO_RAS @ labels.grid.affine()
    to_ras[:3, 3] += to_ras[:3, :3] @ np.array(brain.start[::-1], np.float64)
    mesh = smoothed(raw).moved(to_ras)
    voxel = float(np.prod(labels.grid.spacing)) / 1000
    filled, cut = (float((one & ~other).sum()) * voxel for one, other in ((mask, wanted), (wanted, mask)))
    return Surface(mesh, shape_of(mesh), raw.euler, self_intersections(mesh), filled, cut)
