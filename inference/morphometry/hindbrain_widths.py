"""Anteroposterior widths of vermis and pons in the midline, on a label map that stands upright.

- Vermis: from the fastigium, where the fourth ventricle reaches deepest into it, to its hindmost point (anteroposterior
  diameter of Tilea et al., Ultrasound Obstet Gynecol 2009;33:173; vermian width of Kyriakopoulou et al., Brain Struct
  Funct 2017;222:2295). Where no fastigium shows, as in a young or a crowded vermis, from the middle of its front.
- Pons: from its belly to the floor of the fourth ventricle, at a right angle to the brainstem (Tilea 2009; pons width
  of Luis et al., medRxiv 2025.02.06.25321808). FeTA's brainstem is midbrain, pons and medulla in one: the pons is in
  the middle of where its front stands out most, between a quarter and seven tenths of its way down, below the
  interpeduncular fossa.

What is front and back follows the brainstem's axis, along which HV is measured, too.
"""

from __future__ import annotations

import numpy as np

from feta.labels import Tissue
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.section import Array, Chords, Plane
from inference.morphometry.found_length import Ends, Found, line_in_plane, section

#: Where along the brainstem, from its top, the pons is sought.
PONS = (0.25, 0.7)
#: Where along the vermis, from its top, the fastigium is sought.
FASTIGIUM = (0.2, 0.8)
#: Of places along an outline, those count that are within some such distance (mm) of the outermost: their middle stands
#: still where the outermost jumps from one to another.
DEPTH_MM = 0.3
#: The vermis's hindmost point lies no further above or below the fastigium than this (mm a mm behind it).
SLOPE = 0.5


def vermis_width(aligned: AlignedLabels) -> Found:
    """From the vermis's hindmost point to the fastigium; or why it can't be measured."""
    stem, vermis = (section(aligned, tissue, 0, 0.0) for tissue in (Tissue.BSM, Tissue.CBM))
    if vermis is None:
        return "no vermis in the midline"
    if stem is None:
        return "no brainstem in the midline, which tells the direction"
    return line_in_plane(0, 0.0, _from_fastigium(_across(vermis, stem)))


def pons_width(aligned: AlignedLabels) -> Found:
    """From the pons's belly to the floor of the fourth ventricle; or why it can't be measured."""
    stem = section(aligned, Tissue.BSM, 0, 0.0)
    if stem is None:
        return "no brainstem in the midline"
    chords = _across(stem, stem)
    down = (chords.offset - chords.offset[0]) / max(float(np.ptp(chords.offset)), 1e-9)
    belly = np.where((down >= PONS[0]) & (down <= PONS[1]), chords.first, np.inf)
    offset = float(np.average(chords.offset, weights=np.exp((belly.min() - belly) / DEPTH_MM)))
    front, back = (float(np.interp(offset, chords.offset, reached)) for reached in (chords.first, chords.last))
    return line_in_plane(0, 0.0, (_place(chords, front, offset), _place(chords, back, offset)))


def _across(structure: Plane, stem: Plane) -> Chords:
    """Lines from front to back at a right angle to the brainstem, the topmost first."""
    forward, up = stem.principal_axis()
    # The lines' offsets grow along (−along[1], along[0]), which is downwards for this direction.
    return structure.chords((-up, forward))


def _from_fastigium(chords: Chords) -> Ends:
    """The point of the back that is farthest from the deepest point of the front, and that one."""
    down = (chords.offset - chords.offset[0]) / max(float(np.ptp(chords.offset)), 1e-9)
    depth = chords.first - _hull(chords.offset, chords.first)
    depth[(down < FASTIGIUM[0]) | (down > FASTIGIUM[1])] = -np.inf
    offset = float(np.average(chords.offset, weights=np.exp((depth - depth.max()) / DEPTH_MM)))
    front = float(np.interp(offset, chords.offset, chords.first))
    apart = np.hypot(chords.last - front, chords.offset - offset)
    apart[np.abs(chords.offset - offset) > SLOPE * (chords.last - front)] = 0.0
    weights = np.exp((apart - apart.max()) / DEPTH_MM)
    behind = float(np.average(chords.offset, weights=weights))
    back = float(np.interp(behind, chords.offset, chords.last))
    return _place(chords, back, behind), _place(chords, front, offset)


def _place(chords: Chords, along: float, across: float) -> Array:
    """A point (2,) of the plane, mm."""
    return np.asarray(chords.centre + along * chords.along + across * chords.across)


def _hull(offset: Array, reached: Array) -> Array:
    """The lower convex hull (N,) of a curve: a thread drawn tight along the foremost points of a front."""
    kept: list[int] = []
    for i in range(len(offset)):
        while len(kept) > 1 and _turns_up(offset, reached, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    return np.asarray(np.interp(offset, offset[kept], reached[kept]))


def _turns_up(x: Array, y: Array, a: int, b: int, c: int) -> bool:
    """Whether the middle of three points lies on or above the line between the others."""
    return bool((y[b] - y[a]) * (x[c] - x[a]) >= (y[c] - y[a]) * (x[b] - x[a]))
