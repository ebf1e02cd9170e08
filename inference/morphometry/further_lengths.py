"""Seven lengths beside the challenge's five that a radiologist reports and published curves have.

Atrial width left and right (coronal), brain occipitofrontal diameter left and right, skull occipitofrontal diameter,
vermis width, pons width (all sagittal): measured on the upright label map, defined in ``atrial_width``,
``occipitofrontal`` and ``hindbrain_widths``. The width of the cavum septi pellucidi, which the curves have, too, is not
measured: FeTA has no label for the cavum. Left and right are the fetus's, as far as the image's header tells them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feta.labels import Tissue
from inference.biometry.landmark_definitions import CEREBRUM
from inference.biometry.mask_operations import SMALLEST_VOLUME_MM3, Mask, largest
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.atrial_width import atrial_width
from inference.morphometry.found_length import Found, mask_of
from inference.morphometry.hindbrain_widths import pons_width, vermis_width
from inference.morphometry.length_errors import LengthErrors
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.occipitofrontal import brain_diameter, skull_diameter

SOURCE = "label map"
LEFT, RIGHT = -1, 1


@dataclass(frozen=True)
class FurtherLength:
    """One of the lengths.

    Attributes:
        key: as in tables.
        title: in words.
        plane: in which it lies and is to be drawn: ``coronal`` or ``sagittal``; the line's own position tells which.
        share: what it can be of the brain's width in any patient, least and most; beyond, the label map is at fault.
    """

    key: str
    title: str
    plane: str
    share: tuple[float, float]


FURTHER_LENGTHS: tuple[FurtherLength, ...] = (
    FurtherLength("atrium_left", "atrial width, left", "coronal", (0.01, 0.5)),
    FurtherLength("atrium_right", "atrial width, right", "coronal", (0.01, 0.5)),
    FurtherLength("brain_OFD_left", "brain occipitofrontal diameter, left", "sagittal", (0.95, 1.75)),
    FurtherLength("brain_OFD_right", "brain occipitofrontal diameter, right", "sagittal", (0.95, 1.75)),
    FurtherLength("skull_OFD", "skull occipitofrontal diameter", "sagittal", (0.95, 1.9)),
    FurtherLength("vermis_width", "vermis width (anteroposterior)", "sagittal", (0.05, 0.35)),
    FurtherLength("pons_width", "pons width (anteroposterior)", "sagittal", (0.05, 0.35)),
)
#: The axis across each plane: 0 x, 1 y, 2 z.
ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}
#: A brain narrower than this part of its length is one hemisphere, or cut.
NARROWEST = 0.55


def further_lengths(aligned: AlignedLabels | None, errors: LengthErrors | None = None) -> list[Measured]:
    """Measure them.

    Args:
        aligned: the upright label map; None where the map is empty.
        errors: of lengths on label maps like this one; None where nobody knows them, and there are no intervals.

    Returns:
        one each, in the order of ``FURTHER_LENGTHS``: ``value`` in mm and ``line`` in the image's physical LPS mm;
        where it can't be measured, both are None and ``flag`` says why. ``low`` and ``high`` are by the errors. Norms
        are not looked up here.
    """
    brain = None if aligned is None else mask_of(aligned, CEREBRUM)
    if aligned is None or brain is None or brain.sum() * aligned.spacing**3 < SMALLEST_VOLUME_MM3:
        return [_unmeasured(each, "no brain") for each in FURTHER_LENGTHS]
    width, length = brain_extent(aligned, brain)
    if width < NARROWEST * length:
        return [_unmeasured(each, "half a brain, or one that is cut") for each in FURTHER_LENGTHS]
    found = _found(aligned, brain, width)
    return [_measured(each, found[each.key], aligned, width, errors or LengthErrors()) for each in FURTHER_LENGTHS]


def _found(aligned: AlignedLabels, brain: Mask, width: float) -> dict[str, Found]:
    brains = tuple(brain_diameter(aligned, brain, side) for side in (LEFT, RIGHT))
    fluid = (aligned.labels == Tissue.ECSF).any()
    skull = skull_diameter(aligned, aligned.labels > 0, brains) if fluid else "no external CSF, which tells the skull"
    atria = (atrial_width(aligned, side, width) for side in (LEFT, RIGHT))
    found = (*atria, *brains, skull, vermis_width(aligned), pons_width(aligned))
    return dict(zip((each.key for each in FURTHER_LENGTHS), found, strict=True))


def brain_extent(aligned: AlignedLabels, brain: Mask | None = None) -> tuple[float, float]:
    """How far the brain reaches from left to right and from front to back, mm; 0 where there is none.

    Args:
        aligned: the upright label map.
        brain: its cerebrum (z, y, x), where that is known.
    """
    mask = mask_of(aligned, CEREBRUM) if brain is None else brain
    flat = largest(np.asarray(mask.any(axis=0)))
    if flat is None:
        return 0.0, 0.0
    wide, long = (np.flatnonzero(flat.any(axis=axis)) for axis in (0, 1))
    return float(np.ptp(wide) + 1) * aligned.spacing, float(np.ptp(long) + 1) * aligned.spacing


def _measured(
    kind: FurtherLength, found: Found, aligned: AlignedLabels, width: float, errors: LengthErrors
) -> Measured:
    if isinstance(found, str):
        return _unmeasured(kind, found)
    low, high = kind.share
    if not low * width <= found.length <= high * width:
        return _unmeasured(kind, f"measures {found.length:.1f} mm, which suits no brain {width:.0f} mm wide")
    line = found.moved(aligned.to_physical)
    least, most = errors.interval(kind.key, line.length, width) or (None, None)
    return Measured(kind.key, kind.title, Kind.LENGTH, line.length, least, most, source=SOURCE, line=line)


def _unmeasured(kind: FurtherLength, reason: str) -> Measured:
    return Measured(kind.key, kind.title, Kind.LENGTH, None, flag=reason)
