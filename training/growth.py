"""How large a simulated fetus is: published growth curves, and the scatter around them."""

from __future__ import annotations

import numpy as np

from feta.age_model import PUBLISHED_CURVES, Curve
from feta.measurements import Measurement

#: Fronto-occipital length of the brain.
BRAIN_LENGTH = Curve(
    "Kyriakopoulou et al., Brain Structure and Function 2017",
    -0.0713232019035459,
    7.35388404172975,
    -70.0314528061519,
    0.0476950051407897,
    1.70886156273044,
)
#: Share of the variance that all lengths of one fetus have in common: large heads have large cerebella.
_SHARED = 0.5
#: Beyond this many standard deviations the parts would no longer fit into each other.
_MOST = 1.8


def draw_lengths(rng: np.random.Generator, age: float) -> tuple[dict[Measurement, float], float]:
    """The five lengths and the brain's fronto-occipital length of a random fetus of an age in weeks, mm."""
    common = rng.normal()

    def draw(curve: Curve) -> float:
        z = np.sqrt(_SHARED) * common + np.sqrt(1 - _SHARED) * rng.normal()
        return float(curve.mean(age) + np.clip(z, -_MOST, _MOST) * curve.sd(age))

    return {measurement: draw(curve) for measurement, curve in PUBLISHED_CURVES.items()}, draw(BRAIN_LENGTH)
