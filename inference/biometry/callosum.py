"""The corpus callosum in the mid-sagittal plane of a label map that has no label for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from feta.labels import Tissue
from inference.biometry.mask_operations import SMALLEST_AREA_MM2, Mask, Points, largest
from inference.biometry.midline_alignment import AlignedLabels

#: Half the thickness (mm) of the slab that is taken for the plane: a majority over it is steadier than one slice.
HALF_SLAB_MM = 1.2

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

    aligned: AlignedLabels

    def mask(self, *tissues: Tissue) -> Mask:
        """(z, y) pixels where at least half of the slab is one of some tissues."""
        labels = self.aligned.labels
        first, last = (self.aligned.index(0, x) for x in (-HALF_SLAB_MM, HALF_SLAB_MM))
        return np.isin(labels[:, :, first : last + 1], tissues).mean(axis=2) >= 0.5


def find_callosum(aligned: AlignedLabels, width: float) -> Mask | None:
    """Find the corpus callosum where it is labelled like the white matter around it.

    What lies below it differs: ventricle in one protocol, external CSF in another. So it is
    sought from inside: the first white matter that rays from the middle of the thalami meet.

    Args:
        aligned: the label map.
        width: of the brain, mm.

    Returns:
        (z, y) pixels of the mid-sagittal plane; None where there is nothing to be found.
    """
    plane = MidSagittal(aligned)
    centre = _centre(plane)
    return None if centre is None else _joined(_first_white(plane, centre, CALLOSUM_DEPTH * width), aligned.spacing)


def _centre(plane: MidSagittal) -> Points | None:
    """Index (z, y) of the middle of what the callosum arches over."""
    part = largest(plane.mask(Tissue.SGM, Tissue.VM))
    if part is None or part.sum() * plane.aligned.spacing**2 < SMALLEST_AREA_MM2:
        return None
    return np.argwhere(part).mean(axis=0)


def _first_white(plane: MidSagittal, centre: Points, depth: float) -> Mask:
    """(z, y) pixels of white matter that rays meet before they end in grey matter, to a depth in mm."""
    white, grey = plane.mask(Tissue.WM), plane.mask(Tissue.GM)
    angles = np.deg2rad(RAY_DEGREES)
    directions = np.stack([np.sin(angles), np.cos(angles)], axis=1) / plane.aligned.spacing
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


def _joined(mask: Mask, spacing: float) -> Mask | None:
    """The largest part of a mask, bridging small gaps."""
    near = ndimage.distance_transform_edt(~mask) * spacing <= GAP_MM / 2
    part = largest(np.asarray(near)) if mask.any() else None
    return None if part is None else mask & part
