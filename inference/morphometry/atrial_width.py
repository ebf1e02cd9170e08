"""Width of each lateral ventricle at its atrium, on a label map that stands upright.

In the coronal plane through the atria, at a right angle to the ventricle's long axis, from inner wall to inner wall:
Garel and Alberti, "Coronal measurement of the fetal lateral ventricles: comparison between ultrasonography and magnetic
resonance imaging", Ultrasound Obstet Gynecol 2006;27:23. Ultrasound by the ISUOG's guidelines measures it in an axial
plane opposite the parieto-occipital sulcus, which gave 0.3 mm less in 144 fetuses (Prenat Diagn 2014;34:279); there
label maps often join both ventricles across the midline. The label counts the choroid plexus in and ends at the wall,
so that its outline is the inner wall.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from feta.labels import Tissue
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.section import Chords
from inference.morphometry.found_length import Found, line_in_plane, section

#: How far behind the deep grey matter the atria are measured: this share of the brain's width.
BEHIND = 0.075
#: Deep grey matter ends where this share of it lies behind.
HINDMOST = 0.02
#: Ventricles nearer to the midline (mm) are the third, the fourth, and the cavum.
FROM_MIDLINE_MM = 3.0
#: A cross-section smaller than this (mm²) is no atrium: 2 mm by 4 mm.
SMALLEST_MM2 = 6.0
#: The width is taken at mid-height: in this middle share of the cross-section.
MIDDLE = 0.5


def atrial_width(aligned: AlignedLabels, side: int, brain_width: float) -> Found:
    """The width of one ventricle at its atrium.

    Args:
        aligned: the upright label map.
        side: −1 left, 1 right of the fetus.
        brain_width: mm.

    Returns:
        the line in the upright frame, outwards; or why there is none.
    """
    behind = _hindmost(aligned)
    if behind is None:
        return "no deep grey matter, behind which the atria lie"
    y = behind - BEHIND * brain_width
    limits = (FROM_MIDLINE_MM, np.inf) if side > 0 else (-np.inf, -FROM_MIDLINE_MM)
    found = section(aligned, Tissue.VM, 1, y, SMALLEST_MM2, limits)
    if found is None:
        return "no ventricle where the atrium lies"
    along, up = found.principal_axis()
    across = (up, -along) if side * up > 0 else (-up, along)
    return line_in_plane(1, y, _middle(found.chords(across)).longest())


def _middle(chords: Chords) -> Chords:
    """Those at mid-height."""
    low, high = np.quantile(chords.offset, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2])
    inside = (chords.offset >= low) & (chords.offset <= high)
    return replace(chords, offset=chords.offset[inside], first=chords.first[inside], last=chords.last[inside])


def _hindmost(aligned: AlignedLabels) -> float | None:
    """Position y (mm) where the deep grey matter ends behind; None where there is none."""
    count = (aligned.labels == Tissue.SGM).sum(axis=(0, 2))
    if not count.any():
        return None
    behind = np.cumsum(count) / count.sum()
    first = int(np.argmax(behind >= HINDMOST))
    before = float(behind[first - 1]) if first else 0.0
    part = (HINDMOST - before) / (float(behind[first]) - before)
    # A voxel reaches from half a step before its middle to half a step behind.
    return float(aligned.origin[1] + aligned.spacing * (first - 0.5 + part))
