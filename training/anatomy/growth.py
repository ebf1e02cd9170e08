"""How large a simulated fetus is: published growth curves, and the scatter around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class GrowthSettings:
    """How fetuses of one stated age differ in size.

    Attributes:
        spread: factor on every published standard deviation.
        callosum_spread: another factor on the corpus callosum's: publications give 1.2 mm (King's College London) to
            3.4 mm (Harreld et al., AJNR 2011) in the middle of pregnancy.
        shared: share of the variance that all lengths of a fetus have in common: large heads have large cerebella.
        most: beyond this many standard deviations the parts would no longer fit into each other.
        dating_sd: how far (weeks) a fetus is ahead of its stated age or behind it.
        dating_most: weeks, never more than that.
    """

    spread: float = 1.0
    callosum_spread: float = 1.0
    shared: float = 0.5
    most: float = 1.8
    dating_sd: float = 0.0
    dating_most: float = 1.0


#: The published curves as they are.
PUBLISHED = GrowthSettings()


def draw_maturity(rng: np.random.Generator, age: float, settings: GrowthSettings) -> float:
    """The age in weeks as which a fetus of a stated age looks."""
    return age + float(np.clip(rng.normal(0.0, settings.dating_sd), -settings.dating_most, settings.dating_most))


def draw_lengths(
    rng: np.random.Generator, age: float, settings: GrowthSettings = PUBLISHED
) -> tuple[dict[Measurement, float], float]:
    """The five lengths and the brain's fronto-occipital length of a random fetus of an age in weeks, mm."""
    common = rng.normal()

    def draw(curve: Curve, spread: float = 1.0) -> float:
        z = np.sqrt(settings.shared) * common + np.sqrt(1 - settings.shared) * rng.normal()
        return float(curve.mean(age) + np.clip(z, -settings.most, settings.most) * spread * curve.sd(age))

    spreads: Mapping[Measurement, float] = {Measurement.LCC: settings.callosum_spread * settings.spread}
    lengths = {m: draw(curve, spreads.get(m, settings.spread)) for m, curve in PUBLISHED_CURVES.items()}
    return lengths, draw(BRAIN_LENGTH, settings.spread)
