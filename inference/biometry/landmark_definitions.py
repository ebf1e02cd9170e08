"""Where the ten ends of the five lengths lie on a label map that stands upright.

One definition for maps that experts or a simulation made and for maps that a network predicts:
they differ only in how the corpus callosum is known, which a FeTA label map counts as white matter.

The challenge's data description gives planes, HV's direction and what sBIP spans (Zalevskyi et al., "Advances in
Automated Fetal Brain MRI Segmentation and Biometry: Insights from the FeTA 2024 Challenge", arXiv 2505.02784). These
are the lengths of Tilea et al., "Cerebral biometry in fetal MRI: new reference data", Ultrasound Obstet Gynecol
2009;33:173 (callosum, vermis, cerebellum, cerebral and bone biparietal diameter) and of Kyriakopoulou et al.,
"Normative biometry of the fetal brain using MRI", Brain Struct Funct 2017;222:2295, whose curves `feta.age_model` has:

- LCC: mid-sagittal, straight from genu to splenium, outer border to outer border (Tilea 2009; Harreld et al.,
  AJNR 2011;32:490). Taken here as the greatest distance within the callosum, which no tilt of the head changes.
- HV: mid-sagittal, the vermis's height on a line parallel to the brainstem: here the longest such line.
- bBIP: axial through the atria, from cortex to cortex across the midline: here the longest such line.
- sBIP: in the same plane from inner table to inner table, which is where the external CSF ends; likewise the longest.
- TCD: coronal where the cerebellum is widest, between the outermost points of its hemispheres.

No publication says which of several equally long lines is meant, nor how borders are placed within a voxel:
`inference.biometry.section` decides that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import Tissue
from feta.measurements import Measurement
from inference.biometry.callosum import find_callosum
from inference.biometry.line import Line
from inference.biometry.mask_operations import SMALLEST_AREA_MM2, SMALLEST_VOLUME_MM3, Mask, largest, solid
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.section import SMOOTH_MM, Plane, crossings, plane, smoothed

CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM)
#: The callosum is thinner than what the other outlines are smoothed with, mm.
CALLOSUM_SMOOTH_MM = 0.5
#: Width (standard deviation, mm) of the band behind the deep grey matter in which the atria lie, and how far from the
#: midline (mm) they begin: the third and the fourth ventricle lie nearer.
ATRIA_BAND_MM = 3.0
ATRIA_FROM_MIDLINE_MM = 6.0
SMALLEST_ATRIA_MM3 = 10.0
#: No part of brain or skull is thinner than twice this in an axial plane, nor of a cerebellum (mm); what is thinner, or
#: a small part (as a share of the largest) that only this ties to the rest, is a network's mistake.
THIN_MM, THIN_CEREBELLUM_MM = 2.0, 1.0
SMALL_PART = 0.15
#: Coronal planes whose width comes within this (mm) of the greatest are as wide as the widest.
WIDEST_MM = 0.25


def landmark_lines(
    labels: npt.NDArray[np.uint8],
    origin: npt.NDArray[np.float64],
    spacing: float,
    callosum: npt.NDArray[np.bool_] | None,
) -> dict[Measurement, Line | None]:
    """Find the ends of the five lengths.

    Args:
        labels: FeTA labels (z, y, x), ascending to superior, anterior and right.
        origin: position (x, y, z) in mm of voxel (0, 0, 0) in the upright frame, whose midline is at x = 0.
        spacing: mm from voxel to voxel, along each axis.
        callosum: the corpus callosum, like ``labels``; None where it isn't known: it is then sought in white matter.

    Returns:
        each length's ends in that frame's mm: genu and splenium, top and bottom of the vermis, left and right;
        None where a structure is absent or too small to be measured.
    """
    aligned = AlignedLabels(labels, np.asarray(origin, np.float64), np.eye(4), spacing)
    cerebellum = _whole(aligned, aligned.labels == Tissue.CBM)
    brain, skull = _biparietal(aligned)
    return {
        Measurement.LCC: _callosum(aligned, callosum, brain),
        Measurement.HV: _vermis(aligned, cerebellum),
        Measurement.BBIP: brain,
        Measurement.SBIP: skull,
        Measurement.TCD: _cerebellum(aligned, cerebellum),
    }


def _whole(aligned: AlignedLabels, mask: Mask) -> Mask | None:
    """The largest part of a structure; None where it is too small."""
    part = largest(mask)
    return part if part is not None and part.sum() * aligned.spacing**3 >= SMALLEST_VOLUME_MM3 else None


def _section(
    aligned: AlignedLabels, mask: Mask, axis: int, position: float, width_mm: float = SMOOTH_MM
) -> Plane | None:
    """A structure in a plane; None where it is too small."""
    section = plane(mask, aligned.origin, aligned.spacing, axis, position, width_mm)
    return section if section.area >= SMALLEST_AREA_MM2 else None


def _line(axis: int, position: float, ends: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]) -> Line:
    """A line whose ends lie in a plane across an axis."""
    start, end = (np.insert(e, axis, position).tolist() for e in ends)
    return Line((start[0], start[1], start[2]), (end[0], end[1], end[2]))


def _callosum(aligned: AlignedLabels, callosum: Mask | None, brain: Line | None) -> Line | None:
    """From genu to splenium: the two points of the outline that lie farthest apart."""
    if callosum is None:
        strip = None if brain is None else find_callosum(aligned, brain.length)
        if strip is None:
            return None
        # The strip as a slab: the same in every sagittal plane.
        callosum = np.broadcast_to(strip[..., None], aligned.labels.shape)
    section = _section(aligned, callosum, 0, 0.0, CALLOSUM_SMOOTH_MM)
    if section is None:
        return None
    splenium, genu = section.chords((1.0, 0.0)).farthest()
    return _line(0, 0.0, (genu, splenium))


def _vermis(aligned: AlignedLabels, cerebellum: Mask | None) -> Line | None:
    """The longest line through the vermis that runs parallel to the brainstem."""
    stem = largest(aligned.labels == Tissue.BSM)
    if cerebellum is None or stem is None:
        return None
    vermis, column = _section(aligned, cerebellum, 0, 0.0), _section(aligned, stem, 0, 0.0)
    if vermis is None or column is None:
        return None
    bottom, top = vermis.largest_part().chords(column.largest_part().principal_axis()).longest()
    return _line(0, 0.0, (top, bottom))


def _biparietal(aligned: AlignedLabels) -> tuple[Line | None, Line | None]:
    """The greatest width of brain and skull in the axial plane through the atria."""
    brain = _whole(aligned, np.isin(aligned.labels, CEREBRUM))
    head = largest(np.asarray(aligned.labels != Tissue.BACKGROUND))
    if brain is None or head is None:
        return None, None
    z = _atria_height(aligned)
    sections = [_section(aligned, mask, 2, z) for mask in (brain, head)]
    whole = [None if s is None else s.without_thin(THIN_MM, SMALL_PART) for s in sections]
    widths = [None if s is None else _line(2, z, s.chords((1.0, 0.0)).longest()) for s in whole]
    return (widths[0], widths[1]) if widths[0] is not None else (None, None)


def _atria_height(aligned: AlignedLabels) -> float:
    """Height z (mm) of the atria: the ventricles right behind the deep grey matter, else the brain's middle."""
    grey = aligned.positions(aligned.labels == Tissue.SGM)
    ventricles = aligned.positions(aligned.labels == Tissue.VM)
    if len(grey) and len(ventricles):
        behind = float(np.percentile(grey[:, 1], 2))
        weights = np.exp(-(((ventricles[:, 1] - behind) / ATRIA_BAND_MM) ** 2) / 2)
        weights[np.abs(ventricles[:, 0]) <= ATRIA_FROM_MIDLINE_MM] = 0
        if weights.sum() * aligned.spacing**3 > SMALLEST_ATRIA_MM3:
            return float(np.average(ventricles[:, 2], weights=weights))
    if len(ventricles):
        return float(np.median(ventricles[:, 2]))
    return float(np.median(aligned.positions(np.isin(aligned.labels, CEREBRUM))[:, 2]))


def _cerebellum(aligned: AlignedLabels, cerebellum: Mask | None) -> Line | None:
    """Between the outermost points of both hemispheres, in the coronal plane where the cerebellum is widest."""
    if cerebellum is None:
        return None
    cerebellum = solid(cerebellum, aligned.spacing, THIN_CEREBELLUM_MM, SMALL_PART)
    y = _widest_coronal(aligned, cerebellum)
    section = _section(aligned, cerebellum, 1, y)
    return None if section is None else _line(1, y, section.chords((1.0, 0.0)).extremes())


def _widest_coronal(aligned: AlignedLabels, cerebellum: Mask) -> float:
    """Position y (mm) of the coronal plane in which the cerebellum reaches farthest from left to right."""
    box = tuple(slice(max(int(i.min()) - 4, 0), int(i.max()) + 5) for i in np.nonzero(cerebellum))
    left, right = crossings(smoothed(cerebellum[box], aligned.spacing))
    met = np.isfinite(left).any(axis=0)
    reach = np.full(met.shape, -np.inf)
    reach[met] = np.nanmax(right[:, met], axis=0) - np.nanmin(left[:, met], axis=0)
    widest = np.flatnonzero(reach >= reach.max() - WIDEST_MM / aligned.spacing)
    return float((box[1].start + widest.mean()) * aligned.spacing + aligned.origin[1])
