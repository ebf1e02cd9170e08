"""Ventriculomegaly: lateral ventricles as wide at their atria as was set, each side by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.template import CALLOSUM
from training.anatomy.velocity_field import Field
from training.findings.cerebellum import kept_cerebellum
from training.findings.growing import Goal, Growth, grow
from training.findings.grown_head import GrownHead
from training.findings.rulers import LEFT, RIGHT, atrial_width, atrium_position, length
from training.findings.scene import Scene, smooth_step

#: Width of the atria is reached to within this, mm.
TOLERANCE_MM = 0.6
#: The lateral ventricles begin within this distance of the midline, mm.
_LATERAL = (1.0, 4.0)
#: Where nothing else is said, this share of the swelling thins the brain, and the rest makes the head larger.
THINS = 0.6
#: How much more the deep white matter yields than the cortex and the deep grey matter.
_YIELDS = {Tissue.WM: 1.0, CALLOSUM: 0.3, Tissue.ECSF: 0.8, Tissue.GM: 0.25}
#: A swelling about the atrium reaches this far (standard deviation, as a share of the brain's width).
_FOCUS = 0.16


@dataclass(frozen=True)
class Ventriculomegaly:
    """Wide lateral ventricles: 10 mm or more at the atrium (Cardoza et al., Radiology 1988;169:711).

    Mild is 10–12 mm, moderate to 15, severe above (Gaglioti et al., Ultrasound Obstet Gynecol 2005;25:372). One side
    alone was wide in half of 123 fetuses (Ouahba et al., BJOG 2006;113:1072).

    Attributes:
        left: width of the left atrium, mm; 0 leaves the side as it is.
        right: of the right one.
        focus: how much of the swelling lies about the atrium rather than everywhere (0–1).
        back: how far (mm) behind the atrium it is strongest.
        thins: share of the swelling that thins the brain; the rest makes the head larger.
    """

    left: float
    right: float
    focus: float = 0.7
    back: float = 0.0
    thins: float = THINS

    def goals(self) -> list[Goal]:
        """What the ventricles grow to."""
        return [
            Goal(
                f"atrium_{name}_mm",
                target,
                TOLERANCE_MM,
                partial(atrial_width, side=side),
                partial(lateral_swelling, side=side, focus=self.focus, back=self.back, thins=self.thins),
            )
            for name, side, target in (("left", LEFT, self.left), ("right", RIGHT, self.right))
            if target
        ]


def widen_ventricles(head: HeadModel, finding: Ventriculomegaly) -> Growth:
    """The brain with ventricles of that width."""
    grown = head if isinstance(head, GrownHead) else GrownHead.unchanged(head)
    return grow(grown, [*finding.goals(), *kept_cerebellum(Scene(grown))])


def lateral_swelling(scene: Scene, side: int, focus: float, back: float = 0.0, thins: float = THINS) -> Field:
    """The field that swells the lateral ventricle of one side (−1 left, 1 right) above the hindbrain."""
    x, _, z = np.moveaxis(scene.places, -1, 0)
    low, high = _LATERAL
    ventricles = scene.mask(Tissue.VM)
    weights = smooth_step((side * x - low) / (high - low))
    hindbrain = scene.mask(Tissue.CBM)
    if hindbrain.any():  # the fourth ventricle lies beside it
        weights = weights * smooth_step((z - np.quantile(z[hindbrain], 0.8)) / 4.0 + 0.5)
    weights = weights * (1 - focus * (1 - _about_atrium(scene, ventricles & (side * x > low), back)))
    # The own half gives way, more so near by.
    near = scene.near(ventricles & (side * x > 0), 25.0)
    own = smooth_step(side * x / 4.0 + 0.5) * near
    yielding = np.sum([share * scene.soft(scene.mask(label)) for label, share in _YIELDS.items()], axis=0) * own
    return scene.swelling(ventricles, weights, yielding, thins)


def _about_atrium(scene: Scene, ventricle: npt.NDArray[np.bool_], back: float) -> Field:
    """1 at a ventricle's atrium, or so far (mm) behind it, and 0 far from there."""
    y = atrium_position(scene)
    section = scene.places[ventricle & (np.abs(scene.places[..., 1] - y) <= scene.spacing)]
    if not len(section):
        return np.ones(ventricle.shape)
    centre = np.array([section[:, 0].mean(), y - back, section[:, 2].mean()])
    away = np.linalg.norm(scene.places - centre, axis=-1) / (_FOCUS * length(scene, Measurement.BBIP))
    return np.asarray(np.exp(-(away**2) / 2))
