"""How large a simulated fetus is: published growth curves, and the scatter around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feta.measurements import Measurement


@dataclass(frozen=True)
class Curve:
    """mean = q2·GA² + q1·GA + q0 and sd = s1·GA + s0, in mm, GA in weeks."""

    mean: tuple[float, float, float]
    sd: tuple[float, float]

    def length(self, age: float, z: float) -> float:
        """The length that lies ``z`` standard deviations above the mean."""
        return float(np.polyval(self.mean, age) + z * np.polyval(self.sd, age))


#: Kyriakopoulou et al., Brain Struct Funct 222 (2017); LCC: Luis et al. 2025 (King's College London, SVRTK).
CURVES = {
    Measurement.LCC: Curve((-0.0687, 5.1529, -57.904), (0.0274, 0.4763)),
    Measurement.HV: Curve((-0.0160406859, 1.7036241375, -19.6738459053), (0.0600463272, -0.6429839786)),
    Measurement.BBIP: Curve((0.0074528837, 2.1579664121, -4.1010307003), (0.0964247813, -0.0086090566)),
    Measurement.SBIP: Curve((-0.0552269321, 5.9179153131, -49.8911774130), (-0.0040976463, 3.0806169657)),
    Measurement.TCD: Curve((0.0097581193, 1.2735810731, -11.4734382575), (0.0582397828, -0.1372340917)),
}
#: Fronto-occipital length of the brain, Kyriakopoulou et al. 2017.
BRAIN_LENGTH = Curve((-0.0713232019, 7.3538840417, -70.0314528061), (0.0476950051, 1.7088615627))

#: Share of the variance that all lengths of one fetus have in common: large heads have large cerebella.
_SHARED = 0.5
#: Beyond this many standard deviations the parts would no longer fit into each other.
_MOST = 1.8


def draw_lengths(rng: np.random.Generator, age: float) -> tuple[dict[Measurement, float], float]:
    """The five lengths and the brain's fronto-occipital length of a random fetus of an age in weeks, mm."""
    common = rng.normal()

    def z() -> float:
        return float(np.clip(np.sqrt(_SHARED) * common + np.sqrt(1 - _SHARED) * rng.normal(), -_MOST, _MOST))

    draw: Callable[[Curve], float] = lambda curve: curve.length(age, z())  # noqa: E731
    return {measurement: draw(curve) for measurement, curve in CURVES.items()}, draw(BRAIN_LENGTH)
