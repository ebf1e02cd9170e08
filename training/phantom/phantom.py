"""An analytic fetal brain: nested smooth solids whose lengths are known by construction.

Frame: mm, x to the right, y anterior, z superior, origin at the centre of the cerebrum
(RAS-like). The widest points of brain and skull lie at the same height, on gyri that never
fold; the corpus callosum is an elliptic arch, whose axis is its length; cerebellum and
vermis are ellipsoids. Tissues are drawn in `training.phantom.tissues`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.measurements import Measurement
from training.anatomy.growth import draw_lengths
from training.phantom.sulci import Sulci, draw_sulci

#: The brainstem and the vermis lean forward by this angle.
TILT = np.deg2rad(18.0)


@dataclass(frozen=True)
class Phantom:
    """One simulated brain: its lengths (mm), and how it differs from the others.

    Attributes:
        lengths: the five measurements, exact.
        brain_length: fronto-occipital, mm.
        ventricle_scale: radius of the lateral ventricles against the usual one.
        fold_depth: depth of the sulci, mm.
        sylvian: how wide the Sylvian fissure is open, 0–1.
        sulci: where the sulci run.
        finest: voxel size in mm that every sheet (cortex, callosum, fissure) must span.
    """

    lengths: dict[Measurement, float]
    brain_length: float
    ventricle_scale: float
    fold_depth: float
    sylvian: float
    sulci: Sulci
    finest: float

    @property
    def width(self) -> float:
        """Half the brain's biparietal diameter."""
        return self.lengths[Measurement.BBIP] / 2

    @property
    def length(self) -> float:
        """Half the brain's length."""
        return self.brain_length / 2

    @property
    def height(self) -> float:
        """From the brain's centre to its top; the proportion of Gholipour's atlas."""
        return 0.82 * self.width

    @property
    def widest(self) -> float:
        """y of the widest section, which passes through the atria."""
        return -0.12 * self.length

    @property
    def callosum(self) -> tuple[float, float, float, float]:
        """Centre (y, z) and half axes (y, z) of the ellipse that the corpus callosum arches along."""
        half = self.lengths[Measurement.LCC] / 2
        return 0.10 * self.length, -0.27 * self.height, half, 0.84 * half

    @property
    def cerebellum(self) -> tuple[float, float]:
        """Centre (y, z) of the cerebellum."""
        return -0.37 * self.length, -0.86 * self.height

    @property
    def cortex(self) -> float:
        """Thickness of the cortex."""
        return max(2.3, 2.2 * self.finest)

    @property
    def fissure(self) -> float:
        """Half the width of the fissure between the hemispheres."""
        return max(1.1, 1.15 * self.finest)

    @property
    def subarachnoid(self) -> float:
        """Width of the fluid outside the cortex at the widest section."""
        return (self.lengths[Measurement.SBIP] - self.lengths[Measurement.BBIP]) / 2

    def landmarks(self) -> dict[Measurement, npt.NDArray[np.float64]]:
        """Both ends (2, 3) of each length, mm, in the phantom's frame."""
        yc, zc, half, _ = self.callosum
        yv, zv = self.cerebellum
        up = np.array([0, np.sin(TILT), np.cos(TILT)]) * self.lengths[Measurement.HV] / 2
        vermis = np.array([0, yv, zv])
        ends = {
            Measurement.LCC: [(0, yc - half, zc), (0, yc + half, zc)],
            Measurement.HV: [vermis - up, vermis + up],
        }
        for measurement, y, z in (
            (Measurement.BBIP, self.widest, 0.0),
            (Measurement.SBIP, self.widest, 0.0),
            (Measurement.TCD, yv, zv),
        ):
            side = self.lengths[measurement] / 2
            ends[measurement] = [(-side, y, z), (side, y, z)]
        return {measurement: np.asarray(pair, np.float64) for measurement, pair in ends.items()}


def draw_phantom(rng: np.random.Generator, age: float, pathological: bool, finest: float) -> Phantom:
    """A random fetus.

    Args:
        rng: the fetus depends on nothing else that is random.
        age: weeks, 18–38.
        pathological: with dilated ventricles and a small cerebellum.
        finest: mm, the voxel size at which the topology must hold.
    """
    lengths, brain_length = draw_lengths(rng, age)
    shrink, swell = (rng.uniform(0.72, 0.85), rng.uniform(1.5, 1.9)) if pathological else (1.0, rng.uniform(0.9, 1.15))
    for measurement in (Measurement.TCD, Measurement.HV):
        lengths[measurement] *= shrink
    margin = max(2.0, 1.8 * finest)
    lengths[Measurement.SBIP] = max(lengths[Measurement.SBIP], lengths[Measurement.BBIP] + 2 * margin)
    return Phantom(
        lengths=lengths,
        brain_length=brain_length,
        ventricle_scale=swell,
        # Primary sulci appear from about 20 weeks on and deepen until term.
        fold_depth=float(np.clip(0.42 * (age - 20.5), 0.3, 6.0)) * rng.uniform(0.9, 1.1),
        sylvian=float(np.clip((38 - age) / 16, 0.15, 1.0)),
        sulci=draw_sulci(rng),
        finest=finest,
    )
