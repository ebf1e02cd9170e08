"""Corpus callosum and vermis, in the mid-sagittal plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from feta.labels import Tissue
from inference.landmarks import Line
from inference.shapes import HALF_SLAB_MM, SMALLEST_AREA_MM2, Mask, Points, largest, lengthened, principal_axis
from inference.upright import SPACING, Upright

#: Rays from the middle of the thalami towards the callosum: from a bit below the front, over the top, to a bit
#: below the back (degrees), a step apart, and no longer than this (mm).
RAY_DEGREES = np.arange(-10.0, 195.0, 1.0)
RAY_STEP_MM = 0.3
RAY_MM = 45.0
#: The callosum is the first white matter that a ray meets, as deep as this part of the brain's width; beyond lies
#: the white matter of the gyri around it.
CALLOSUM_DEPTH = 0.042
#: On its way a ray passes grey matter no deeper than this (mm): a border between two other labels.
GREY_DEPTH_MM = 1.2
#: Pieces of callosum no further apart than this (mm) belong together.
GAP_MM = 2.0


@dataclass(frozen=True)
class MidSagittal:
    """The labels of the mid-sagittal slab."""

    upright: Upright

    def mask(self, *tissues: Tissue) -> Mask:
        """(z, y) pixels where at least half of the slab is one of some tissues."""
        labels = self.upright.labels
        first, last = (self.upright.index(0, x) for x in (-HALF_SLAB_MM, HALF_SLAB_MM))
        return np.isin(labels[:, :, first : last + 1], tissues).mean(axis=2) >= 0.5

    def points(self, mask: Mask) -> Points:
        """Positions (N, 2), (y, z) in mm, of a mask's pixels."""
        return np.argwhere(mask)[:, ::-1] * SPACING + self.upright.origin[1:]


def callosum(upright: Upright, width: float) -> Line | None:
    """From the foremost point of the genu to the hindmost of the splenium.

    The callosum is white matter in a FeTA label map, as the gyri around it are. What lies
    below it differs: ventricle in one protocol, external CSF in another. So it is sought
    from inside: the first white matter that rays from the middle of the thalami meet.

    Args:
        upright: the label map.
        width: of the brain, mm.
    """
    plane = MidSagittal(upright)
    centre = _centre(plane)
    if centre is None:
        return None
    strip = _joined(_first_white(plane, centre, CALLOSUM_DEPTH * width))
    if strip is None or strip.sum() * SPACING**2 < SMALLEST_AREA_MM2:
        return None
    points = plane.points(strip)
    foremost, hindmost = points[:, 0].max(), points[:, 0].min()
    ends = [points[np.abs(points[:, 0] - y) < SPACING / 2].mean(axis=0) for y in (foremost, hindmost)]
    return lengthened((0.0, *ends[0]), (0.0, *ends[1]))


def _centre(plane: MidSagittal) -> Points | None:
    """Index (z, y) of the middle of what the callosum arches over."""
    part = largest(plane.mask(Tissue.SGM, Tissue.VM))
    if part is None or part.sum() * SPACING**2 < SMALLEST_AREA_MM2:
        return None
    return np.argwhere(part).mean(axis=0)


def _first_white(plane: MidSagittal, centre: Points, depth: float) -> Mask:
    """(z, y) pixels of white matter that rays meet before they end in grey matter, to a depth in mm."""
    white, grey = plane.mask(Tissue.WM), plane.mask(Tissue.GM)
    angles = np.deg2rad(RAY_DEGREES)
    directions = np.stack([np.sin(angles), np.cos(angles)], axis=1) / SPACING
    found = np.zeros_like(white)
    going, met = np.ones(len(angles), bool), np.zeros(len(angles), bool)
    in_white, in_grey = np.zeros(len(angles)), np.zeros(len(angles))
    for radius in np.arange(0.0, RAY_MM, RAY_STEP_MM):
        z, y = np.clip(np.rint(centre + radius * directions), 0, np.subtract(white.shape, 1)).astype(int).T
        in_white = np.where(white[z, y], in_white + RAY_STEP_MM, 0.0)
        in_grey = np.where(grey[z, y], in_grey + RAY_STEP_MM, 0.0)
        # The fornix may come first, ventricle after it; grey matter comes only beyond the callosum.
        going &= in_grey <= np.where(met, 0.0, GREY_DEPTH_MM)
        met |= in_white > 0
        hit = going & (in_white > 0) & (in_white <= depth)
        found[z[hit], y[hit]] = True
    return found


def _joined(mask: Mask) -> Mask | None:
    """The largest part of a mask, bridging small gaps."""
    near = ndimage.distance_transform_edt(~mask) * SPACING <= GAP_MM / 2
    part = largest(np.asarray(near)) if mask.any() else None
    return None if part is None else mask & part


def vermis(upright: Upright) -> Line | None:
    """The vermis's extent along the brainstem's principal axis, in the mid-sagittal plane."""
    plane = MidSagittal(upright)
    cerebellum, stem = largest(plane.mask(Tissue.CBM)), largest(plane.mask(Tissue.BSM))
    for mask in (cerebellum, stem):
        if mask is None or mask.sum() * SPACING**2 < SMALLEST_AREA_MM2:
            return None
    assert cerebellum is not None and stem is not None
    axis = principal_axis(plane.points(stem))
    points = plane.points(cerebellum)
    centre = points.mean(axis=0)
    along = (points - centre) @ axis
    top, bottom = centre + along.max() * axis, centre + along.min() * axis
    return lengthened((0.0, *top), (0.0, *bottom))
