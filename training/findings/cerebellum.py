"""Fields that stretch vermis and cerebellum, and the goal to keep both as they are while fluid grows near by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.velocity_field import Field
from training.findings.growing import Goal
from training.findings.rulers import length
from training.findings.scene import Scene, smooth_step

#: Lengths are reached to within this share.
_TOLERANCE = 0.02
#: Half the width of the vermis (mm), and how far around it its fields fade out.
_VERMIS_MM, _REACH_MM = 7.0, 8.0


def kept_cerebellum(scene: Scene) -> list[Goal]:
    """The cerebellum stays as high and as wide as it is: the tentorium holds off what swells above."""
    return [
        share_of_length("vermis_height_share", 1.0, scene, Measurement.HV, stretching_vermis),
        share_of_length("cerebellum_width_share", 1.0, scene, Measurement.TCD, stretching_cerebellum),
    ]


def share_of_length(
    name: str, share: float, scene: Scene, measurement: Measurement, field: Callable[[Scene], Field]
) -> Goal:
    """A length that becomes a share of what it is."""
    before = length(scene, measurement)
    return Goal(name, share, _TOLERANCE, lambda s: length(s, measurement) / before, field)


def stretching_vermis(scene: Scene) -> Field:
    """The field that stretches the vermis along itself from its top, and less so across."""
    top, bottom = scene.landmarks[Measurement.HV]
    along = (bottom - top) / max(float(np.linalg.norm(bottom - top)), 1e-6)
    middle = (top + bottom) / 2
    offset = scene.places - middle
    way = (offset @ along)[..., None] * along
    across = offset - way
    across[..., 0] = 0.0
    return np.asarray(near_vermis(scene)[..., None] * (way + 0.5 * across))


def stretching_cerebellum(scene: Scene) -> Field:
    """The field that stretches the cerebellum from left to right."""
    window = scene.near(scene.mask(Tissue.CBM), _REACH_MM)
    field = np.zeros_like(scene.places)
    field[..., 0] = window * scene.places[..., 0]
    return field


def near_vermis(scene: Scene) -> Field:
    """1 in the vermis, 0 far from it, smoothly in between."""
    near = scene.near(scene.mask(Tissue.CBM) & (np.abs(scene.places[..., 0]) < _VERMIS_MM), _REACH_MM)
    return np.asarray(near * smooth_step(1.7 - np.abs(scene.places[..., 0]) / _VERMIS_MM))
