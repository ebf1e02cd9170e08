"""Sizes by which findings are set and told, measured on a brain as it grows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.velocity_field import Points
from training.findings.scene import Scene

#: Planes in which widths are measured are sampled this finely, mm.
_FINE = 0.4
#: The atria lie this share of the brain's width behind the deep grey matter, and this far (mm) from the midline.
_BEHIND, _FROM_MIDLINE = 0.075, 3.0
#: Deep grey matter ends where this share of it lies behind.
_HINDMOST = 0.02
LEFT, RIGHT = -1, 1


def atrium_position(scene: Scene) -> float:
    """Position y (mm) of the coronal plane through the atria."""
    grey = scene.places[scene.mask(Tissue.SGM)][:, 1]
    return float(np.quantile(grey, _HINDMOST) - _BEHIND * length(scene, Measurement.BBIP))


def atrial_width(scene: Scene, side: int) -> float:
    """Width (mm) of one lateral ventricle at its atrium: the largest circle within it in the coronal plane there.

    A circle's diameter is the width at a right angle to the long axis of the section, from inner wall to inner wall
    (Garel and Alberti, Ultrasound Obstet Gynecol 2006;27:23, measured so on coronal MRI).
    """
    labels, places = scene.section(1, atrium_position(scene), _FINE)
    return _largest_circle((labels == Tissue.VM) & (side * places[..., 0] > _FROM_MIDLINE))


def cisterna_depth(scene: Scene) -> float:
    """Depth (mm) of the fluid behind and below the cerebellum: the largest circle within it in the midsagittal plane.

    From vermis to occiput it is 5 mm (SD 3 mm) in healthy fetuses, at most 10 mm (Filly et al., Radiology
    1989;172:403).
    """
    labels, places = scene.section(0, 0.0, _FINE)
    cerebellum = places[labels == Tissue.CBM]
    if not len(cerebellum):
        return 0.0
    top, front = cerebellum[:, 2].max(), cerebellum[:, 1].max()
    region = (places[..., 2] < top) & (places[..., 1] < front)
    return _largest_circle(np.isin(labels, (Tissue.ECSF, Tissue.VM)) & region)


def turned(scene: Scene, before: Points) -> float:
    """Angle (degrees) by which the vermis is turned backwards and up, in the sagittal plane.

    Args:
        scene: now.
        before: top and bottom (2, 3) of the vermis before it turned.
    """
    (y0, z0), (y, z) = ((ends[1] - ends[0])[1:] for ends in (before, scene.landmarks[Measurement.HV]))
    return float(np.rad2deg(np.arctan2(z0 * y - y0 * z, y0 * y + z0 * z)))


def length(scene: Scene, measurement: Measurement) -> float:
    """Distance of two landmarks, mm."""
    return float(np.linalg.norm(np.diff(scene.landmarks[measurement], axis=0)))


def centre(scene: Scene, mask: npt.NDArray[np.bool_]) -> Points:
    """Mean place (x, y, z) of a structure, mm."""
    return np.asarray(scene.places[mask].mean(axis=0) if mask.any() else np.zeros(3))


def _largest_circle(mask: npt.NDArray[np.bool_]) -> float:
    """Diameter (mm) of the largest circle within a finely sampled section."""
    if not mask.any():
        return 0.0
    # A sample next to the border lies half a step within it.
    return float(2 * ndimage.distance_transform_edt(np.pad(mask, 1)).max() - 1) * _FINE
