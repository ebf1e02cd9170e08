"""Chiari II: a crowded hindbrain, next to no external CSF, and wide ventricles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feta.labels import Tissue
from training.anatomy.head_model import HeadModel
from training.anatomy.velocity_field import Field
from training.findings.growing import Goal, Growth, grow
from training.findings.grown_head import GrownHead
from training.findings.rulers import centre
from training.findings.scene import Scene
from training.findings.ventricles import Ventriculomegaly

_TOLERANCE_MM = 0.4
#: Volume of the brainstem, as a share of what it was. In week 25 before surgery it is 0.57 of a healthy one's (Fidon
#: 2021 against Gholipour 2017); the learned anatomy has a part of that.
_STEM = 0.85
#: With no fluid to give way, wide ventricles make the head larger rather than the brain thinner.
_THINS = 0.4
#: Cerebellum beyond this share of its half width is its outer part.
_OUTER = 0.5


@dataclass(frozen=True)
class ChiariII:
    """The hindbrain of an open spina bifida before surgery.

    Volumes in the atlas of Fidon et al., Open Research Europe 2021;1:123, weeks 21–25 before surgery: external CSF
    1.4–4.1 ml, cerebellum 1.3–1.9 ml, ventricles 8–21 ml. Cerebella of healthy fetuses of these weeks have 1.7 to
    3.9 ml (same labels, atlas of Gholipour et al., Scientific Reports 2017;7:476).

    Attributes:
        external_csf: ml.
        cerebellum: ml.
        descent: how far the cerebellum lies lower, mm.
        curl: how far its hemispheres lie farther forwards against the vermis ("banana"), mm.
        atrium: width of both atria, mm.
    """

    external_csf: float
    cerebellum: float
    descent: float
    curl: float
    atrium: float

    def goals(self, scene: Scene) -> list[Goal]:
        """What a brain grows to."""
        height, bent = _height(scene), curl_of(scene)
        cortex, stem = scene.volume(Tissue.GM), scene.volume(Tissue.BSM)
        return [
            Goal(
                "cerebellum_ml",
                self.cerebellum,
                0.05 * self.cerebellum,
                lambda s: s.volume(Tissue.CBM),
                swelling_cerebellum,
                volume=True,
            ),
            Goal("cerebellum_descent_mm", self.descent, _TOLERANCE_MM, lambda s: height - _height(s), lowering),
            Goal("cerebellum_curl_mm", self.curl, _TOLERANCE_MM, lambda s: curl_of(s) - bent, curling),
            Goal(
                "external_csf_ml",
                self.external_csf,
                0.12 * self.external_csf,
                lambda s: float(s.fluid.sum()) * s.spacing**3 / 1000,
                swelling_fluid,
                volume=True,
            ),
            # Fluid thinner than a cell shrinks with the cortex that shares its cells.
            Goal("grey_matter_share", 1.0, 0.05, lambda s: s.volume(Tissue.GM) / cortex, swelling_cortex),
            Goal("brainstem_share", _STEM, 0.08, lambda s: s.volume(Tissue.BSM) / stem, swelling_stem, volume=True),
            *self.ventricles(),
        ]

    def ventricles(self) -> list[Goal]:
        """Those of them that are widths of the atria."""
        return Ventriculomegaly(self.atrium, self.atrium, focus=0.5, thins=_THINS).goals()


def crowd_hindbrain(head: HeadModel, finding: ChiariII) -> Growth:
    """The brain with that hindbrain, fluid and ventricles."""
    grown = head if isinstance(head, GrownHead) else GrownHead.unchanged(head)
    # First, while there is room: the hindbrain then comes nearer to what was set.
    wide = grow(grown, finding.ventricles()).head
    return grow(wide, finding.goals(Scene(grown)))


def curl_of(scene: Scene) -> float:
    """How far the outer parts of the cerebellum lie in front of its middle, mm."""
    cerebellum = scene.places[scene.mask(Tissue.CBM)]
    if not len(cerebellum):
        return 0.0
    share = np.abs(cerebellum[:, 0]) / max(float(np.quantile(np.abs(cerebellum[:, 0]), 0.98)), 1e-6)
    outer, inner = cerebellum[share > _OUTER], cerebellum[share <= _OUTER]
    return float(outer[:, 1].mean() - inner[:, 1].mean()) if len(outer) and len(inner) else 0.0


def swelling_cerebellum(scene: Scene) -> Field:
    """The field that swells the cerebellum; the space outside makes room."""
    return scene.swelling(scene.mask(Tissue.CBM))


def lowering(scene: Scene) -> Field:
    """The field that moves the cerebellum down along the brainstem."""
    field = np.zeros_like(scene.places)
    field[..., 2] = -3.0 * scene.near(scene.mask(Tissue.CBM), 12.0)
    return field


def curling(scene: Scene) -> Field:
    """The field that moves the hemispheres of the cerebellum forwards around the brainstem, its vermis backwards."""
    cerebellum = scene.mask(Tissue.CBM)
    x = np.abs(scene.places[..., 0])
    half = max(float(np.quantile(x[cerebellum], 0.98)), 1e-6)
    field = np.zeros_like(scene.places)
    field[..., 1] = 3.0 * scene.near(cerebellum, 9.0) * (np.clip(x / half, 0, 1.3) ** 2 - 0.3)
    return field


def swelling_fluid(scene: Scene) -> Field:
    """The field that swells the external CSF and widens the skull."""
    return scene.swelling(scene.fluid)


def swelling_stem(scene: Scene) -> Field:
    """The field that swells the brainstem; the space outside makes room."""
    return scene.swelling(scene.mask(Tissue.BSM))


def swelling_cortex(scene: Scene) -> Field:
    """The field that swells the cortex, at the cost of the external CSF."""
    return scene.swelling(scene.mask(Tissue.GM), 1.0, scene.fluid, 0.7)


def _height(scene: Scene) -> float:
    """Of the cerebellum over the deep grey matter, mm."""
    return float((centre(scene, scene.mask(Tissue.CBM)) - centre(scene, scene.mask(Tissue.SGM)))[2])
