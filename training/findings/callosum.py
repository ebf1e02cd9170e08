"""Callosal agenesis and its company: no cavum, wide occipital horns, ventricles that run parallel, far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.template import CALLOSUM
from training.anatomy.velocity_field import Field
from training.findings.growing import Goal, Growth, grow
from training.findings.grown_head import GrownHead
from training.findings.rulers import length
from training.findings.scene import Scene
from training.findings.ventricles import Ventriculomegaly

_TOLERANCE, _TOLERANCE_MM = 0.03, 0.5
#: The cavum lies within this distance of the midline, mm.
_MIDLINE_MM = 4.0
#: Colpocephaly is widest this far behind the atria, mm.
_BACK_MM = 5.0


@dataclass(frozen=True)
class CallosalAgenesis:
    """Partial agenesis: what remains of the callosum, from the genu on.

    The cavum is absent in complete and in a third of partial agenesis; colpocephaly in a fifth of fetuses below 24
    weeks and in two thirds of older ones, atria above 10 mm in a quarter and in three quarters (Paladini et al.,
    Ultrasound Obstet Gynecol 2013;42:687). In complete agenesis a remnant stays here, since white matter is one
    piece in the challenge's table.

    Attributes:
        remnant: length of the callosum, as a share of the healthy one's.
        thickness: volume of the callosum a length, likewise.
        cavum: volume of the cavum, likewise.
        apart: how much farther from each other the frontal horns lie, mm.
        atrium: width of both atria, mm; the swelling lies in the back.
    """

    remnant: float
    thickness: float
    cavum: float
    apart: float
    atrium: float

    def goals(self, scene: Scene) -> list[Goal]:
        """What a brain grows to."""
        span, body, room = length(scene, Measurement.LCC), scene.volume(CALLOSUM), cavum_volume(scene)
        start = horns_apart(scene)
        left = self.remnant * self.thickness
        return [
            Goal(
                "callosum_length_share",
                self.remnant,
                _TOLERANCE,
                lambda s: length(s, Measurement.LCC) / span,
                stretching_callosum,
            ),
            Goal(
                "callosum_volume_share",
                left,
                max(0.15 * left, 0.02),
                lambda s: s.volume(CALLOSUM) / max(body, 1e-9),
                thickening_callosum,
                volume=True,
            ),
            Goal("cavum_share", self.cavum, 0.08, lambda s: cavum_volume(s) / max(room, 1e-9), swelling_cavum),
            Goal("horns_apart_mm", self.apart, _TOLERANCE_MM, lambda s: horns_apart(s) - start, parting_horns),
            *self.ventricles(),
        ]

    def ventricles(self) -> list[Goal]:
        """Those of them that are widths of the atria."""
        return Ventriculomegaly(self.atrium, self.atrium, focus=0.9, back=_BACK_MM).goals()


def shorten_callosum(head: HeadModel, finding: CallosalAgenesis) -> Growth:
    """The brain with that callosum and what comes with it."""
    grown = head if isinstance(head, GrownHead) else GrownHead.unchanged(head)
    # Beside a remnant that has shrunk already, swelling atria would fold what is left of the callosum.
    wide = grow(grown, finding.ventricles()).head
    return grow(wide, finding.goals(Scene(grown)))


def cavum_volume(scene: Scene) -> float:
    """Of the fluid in the midline below the callosum, which FeTA counts as ventricle, ml."""
    return float(_cavum(scene).sum()) * scene.spacing**3 / 1000


def horns_apart(scene: Scene) -> float:
    """Mean distance (mm) of the frontal horns and bodies from each other."""
    horns = _horns(scene)
    return float(2 * np.abs(scene.places[horns][:, 0]).mean()) if horns.any() else 0.0


def stretching_callosum(scene: Scene) -> Field:
    """The field that stretches the callosum from its genu backwards."""
    ends = scene.landmarks[Measurement.LCC]
    genu = ends[ends[:, 1].argmax()]
    window = scene.near(scene.mask(CALLOSUM), 9.0)
    field = np.zeros_like(scene.places)
    field[..., 1] = window * (scene.places[..., 1] - genu[1])
    return field


def thickening_callosum(scene: Scene) -> Field:
    """The field that swells the callosum, at the cost of the fissure above and the space outside."""
    body = scene.mask(CALLOSUM)
    x = scene.places[..., 0]
    fissure = scene.soft(scene.mask(Tissue.ECSF) & (np.abs(x) < 6.0)) * scene.near(body, 15.0)
    return scene.swelling(body, 1.0, fissure, 0.8)


def swelling_cavum(scene: Scene) -> Field:
    """The field that swells the cavum, at the cost of what lies around it."""
    cavum = _cavum(scene)
    around = scene.soft(scene.mask(Tissue.ECSF, Tissue.WM)) * scene.near(cavum, 12.0)
    return scene.swelling(cavum, 1.0, around, 0.7)


def parting_horns(scene: Scene) -> Field:
    """The field that moves the frontal horns and bodies of the ventricles away from the midline."""
    x = scene.places[..., 0]
    window = scene.near(_horns(scene), 10.0)
    field = np.zeros_like(scene.places)
    field[..., 0] = 2.0 * window * np.clip(x / 6.0, -1, 1)
    return field


def _cavum(scene: Scene) -> np.ndarray:
    """Ventricle near the midline, above the deep grey matter's middle and in front of its hind end."""
    x, _, z = np.moveaxis(scene.places, -1, 0)
    grey = scene.places[scene.mask(Tissue.SGM)]
    return np.asarray(scene.mask(Tissue.VM) & (np.abs(x) < _MIDLINE_MM) & (z > np.median(grey[:, 2])))


def _horns(scene: Scene) -> np.ndarray:
    """Lateral ventricles in front of the deep grey matter's hind end."""
    x, y, _ = np.moveaxis(scene.places, -1, 0)
    grey = scene.places[scene.mask(Tissue.SGM)]
    return np.asarray(scene.mask(Tissue.VM) & (np.abs(x) >= _MIDLINE_MM) & (y > np.median(grey[:, 1])))
