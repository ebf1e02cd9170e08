"""The Dandy–Walker spectrum and the mega cisterna magna: a small, turned vermis and much fluid behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.velocity_field import Field
from training.findings.cerebellum import kept_cerebellum, near_vermis, share_of_length, stretching_vermis
from training.findings.fourth_ventricle import with_fourth_ventricle
from training.findings.growing import Goal, Growth, grow
from training.findings.grown_head import GrownHead
from training.findings.rulers import centre, cisterna_depth, turned
from training.findings.scene import Scene, smooth_step

#: Sizes are reached to within this: mm, degrees.
_TOLERANCE_MM, _TOLERANCE_DEGREES = 0.6, 3.0


@dataclass(frozen=True)
class DandyWalker:
    """Hypoplasia and rotation of the vermis.

    The angle between tegmentum and vermis is 32° (SD 18°) with a remnant of Blake's pouch, 52° (19°) in hypoplasia of
    the vermis and 110° (20°) in the Dandy–Walker malformation, where the vermis is smallest ("Evaluation of posterior
    fossa biometric measurements on fetal MRI in the evaluation of Dandy–Walker continuum", AJNR 2021, doi
    10.3174/ajnr.A7215). In healthy fetuses it is next to nothing, which is taken as 0 here.

    Attributes:
        rotation: of the vermis, backwards and up, degrees.
        vermis: factor on the height of the vermis.
        cisterna: depth of the fluid behind and below the cerebellum, mm.
    """

    rotation: float
    vermis: float
    cisterna: float

    def goals(self, scene: Scene) -> list[Goal]:
        """What the hindbrain of a brain grows to."""
        start = scene.landmarks[Measurement.HV]
        return [
            Goal("vermis_turned_degrees", self.rotation, _TOLERANCE_DEGREES, lambda s: turned(s, start), turning),
            share_of_length("vermis_height_share", self.vermis, scene, Measurement.HV, stretching_vermis),
            Goal("cisterna_mm", self.cisterna, _TOLERANCE_MM, cisterna_depth, widening_cisterna),
        ]


@dataclass(frozen=True)
class MegaCisterna:
    """A wide cisterna magna: deeper than 10 mm (Filly et al., Radiology 1989;172:403), vermis and cerebellum healthy.

    Attributes:
        cisterna: depth of the fluid behind and below the cerebellum, mm.
    """

    cisterna: float

    def goals(self, scene: Scene) -> list[Goal]:
        """What the cisterna of a brain grows to, while its cerebellum keeps its size."""
        return [
            Goal("cisterna_mm", self.cisterna, _TOLERANCE_MM, cisterna_depth, widening_cisterna),
            *kept_cerebellum(scene),
        ]


def turn_vermis(head: HeadModel, finding: DandyWalker) -> Growth:
    """The brain with that vermis and cisterna."""
    grown = GrownHead.unchanged(with_fourth_ventricle(head))
    return grow(grown, finding.goals(Scene(grown)))


def widen_cisterna(head: HeadModel, finding: MegaCisterna) -> Growth:
    """The brain with a cisterna of that depth."""
    grown = head if isinstance(head, GrownHead) else GrownHead.unchanged(head)
    return grow(grown, finding.goals(Scene(grown)))


def turning(scene: Scene) -> Field:
    """The field that turns the vermis about its top, backwards and up, by a radian a unit of time."""
    top = scene.landmarks[Measurement.HV][0]
    _, y, z = np.moveaxis(scene.places - top, -1, 0)
    # The brainstem stays; fluid between fills the angle.
    window = near_vermis(scene) * (1 - scene.near(scene.mask(Tissue.BSM), 3.0))
    return np.stack([np.zeros_like(y), window * z, -window * y], axis=-1)


def widening_cisterna(scene: Scene) -> Field:
    """The field that swells the fluid behind and below the cerebellum; the skull behind it gives way."""
    cerebellum = scene.mask(Tissue.CBM)
    x, y, z = np.moveaxis(scene.places, -1, 0)
    middle = centre(scene, cerebellum)
    behind = smooth_step((middle[1] - y) / 6.0 + 0.7) * smooth_step((np.quantile(z[cerebellum], 0.9) - z) / 6.0 + 0.3)
    # Fluid that swelled at the cerebellum itself would press into it.
    away = scene.near(cerebellum, 18.0) * (1 - 0.7 * scene.near(cerebellum, 5.0))
    outside = scene.soft(scene.labels == 0) * behind * scene.near(cerebellum, 30.0)
    return scene.swelling(scene.mask(Tissue.ECSF), behind * away * np.exp(-((x / 16.0) ** 2)), outside)
