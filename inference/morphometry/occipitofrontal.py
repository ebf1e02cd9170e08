"""Occipitofrontal diameters of each hemisphere and of the skull, on a label map that stands upright.

- Brain: from the frontal to the occipital pole of a hemisphere (fronto-occipital length: Tilea et al., Ultrasound
  Obstet Gynecol 2009;33:173; Kyriakopoulou et al., Brain Struct Funct 2017;222:2295; Luis et al., medRxiv
  2025.02.06.25321808, which gives left and right apart). Here the longest line in the sagittal plane in which the
  hemisphere reaches farthest from front to back, which no nodding of the head changes.
- Skull: in the midline from the frontal to the occipital bone (the same). Our labels know no bone: the skull is taken
  to begin where the external CSF ends, as for sBIP (``inference.biometry.landmark_definitions``). In the midline the
  label has a notch in front and behind, since it leaves the sagittal sinus out; the bone runs across from the one
  paramedian rim to the other, and so does this measurement.
"""

from __future__ import annotations

import numpy as np

from inference.biometry.landmark_definitions import SMALL_PART, THIN_MM
from inference.biometry.mask_operations import SMALLEST_AREA_MM2, Mask
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.section import Chords, Plane, crossings
from inference.morphometry.found_length import Found, line_in_plane, silhouette

#: A hemisphere's line rises or falls no more than this (mm a mm) in any pose of the head that the upright frame leaves.
SLOPE = 0.5
#: The skull's line, against the hemispheres': it is not sought from the forehead to the foramen magnum.
BESIDE = 0.15
NOTHING = "too little from front to back"
#: Sagittal planes in which a hemisphere is within this (mm) of its greatest length count as its longest.
LONGEST_MM = 1.0
#: As far as this (mm) to both sides of the midline the head counts for the skull in it: the sinus's notch is narrower.
NOTCH_MM = 8.0
#: Likewise for a hemisphere in the plane of its poles: a plane that runs along a sulcus would miss them.
SULCI_MM = 3.0
#: A hemisphere begins this far (mm) from the midline: what lies nearer is cut by the plane of symmetry.
FROM_MIDLINE_MM = 2.0


def brain_diameter(aligned: AlignedLabels, cerebrum: Mask, side: int) -> Found:
    """From the frontal to the occipital pole of one hemisphere.

    Args:
        aligned: the upright label map.
        cerebrum: (z, y, x) mask of both hemispheres.
        side: −1 left, 1 right of the fetus.
    """
    places = aligned.origin[0] + aligned.spacing * np.arange(cerebrum.shape[2])
    seen = np.asarray(cerebrum[:, :, side * places >= FROM_MIDLINE_MM].any(axis=0))
    places = places[side * places >= FROM_MIDLINE_MM]
    met = np.flatnonzero(seen.any(axis=0))
    if not len(met):
        return "no hemisphere on that side"
    reach = seen.shape[0] - seen[:, met].argmax(axis=0) - seen[::-1, met].argmax(axis=0)
    longest = met[reach >= reach.max() - LONGEST_MM / aligned.spacing]
    x = float(places[longest].mean())
    whole = _whole(aligned, cerebrum, x, SULCI_MM)
    return NOTHING if whole is None else _longest(x, _rows(whole), SLOPE)


def skull_diameter(aligned: AlignedLabels, head: Mask, beside: tuple[Found, ...]) -> Found:
    """From the frontal to the occipital bone in the midline.

    Args:
        aligned: the upright label map.
        head: (z, y, x) mask of all labels, external CSF among them.
        beside: the diameters of the brain, along which the skull's is sought.
    """
    forward = [np.subtract(line.start, line.end)[1:] for line in beside if not isinstance(line, str)]
    direction = np.sum([np.array([1e-6, 0.0]), *forward], axis=0)
    along, up = (direction / np.linalg.norm(direction)).tolist()
    whole = _whole(aligned, head, 0.0, NOTCH_MM)
    return NOTHING if whole is None else _longest(0.0, whole.chords((along, up)), BESIDE)


def _longest(x: float, chords: Chords, slope: float) -> Found:
    """The farthest ends, the front one first, in the sagittal plane at x; or that there are none."""
    return line_in_plane(0, x, chords.farthest(slope)[::-1]) if len(chords.offset) else NOTHING


def _whole(aligned: AlignedLabels, mask: Mask, x: float, half_width: float) -> Plane | None:
    """A mask's silhouette without sheets and threads; None where there is too little of it."""
    whole = silhouette(aligned, mask, x, half_width).without_thin(THIN_MM, SMALL_PART)
    return whole if whole.area >= SMALLEST_AREA_MM2 else None


def _rows(whole: Plane) -> Chords:
    """The plane's own rows, from back to front: ``Plane.chords`` would interpolate."""
    first, last = whole.spacing * np.stack(crossings(whole.field))
    met = np.isfinite(first)
    offset = np.asarray(whole.spacing * np.flatnonzero(met), np.float64)
    return Chords(whole.origin, np.array([1.0, 0.0]), np.array([0.0, 1.0]), offset, first[met], last[met])
