"""The prior of a length at a gestational age, before any image."""

from __future__ import annotations

import math

from feta.age_model import AgeModel
from feta.measurements import Measurement

#: Ages are known to about this (standard deviation, weeks): ultrasound of the first trimester is within 5 to 7 days
#: (American College of Obstetricians and Gynecologists, Committee Opinion 700, 2017).
DATING_WEEKS = 0.5
#: Publications differ on how callosa spread: 1.2 mm at 28 weeks (King's College London, whose curve is used), 3.4 mm
#: (Harreld et al., AJNR 2011;32:490). Twice the former lies between.
SPREAD = {Measurement.LCC: 2.0}
#: A fetus may be no healthy one: about a third of the challenge's were pathological, and then the spread is this many
#: times as great. Small cerebella of 0.6 of the mean lie within twice that.
PATHOLOGICAL, PATHOLOGICAL_SPREAD = 0.35, 4.0
#: Of an age that is doubted no more is known than that the right one is within about this (weeks).
DOUBTED_WEEKS = 5.0


def age_prior(
    model: AgeModel, measurement: Measurement, age: float, weeks_off: float = DATING_WEEKS
) -> tuple[float, float]:
    """Mean and standard deviation of ln(mm) among healthy fetuses whose age is thought to be so many weeks.

    Args:
        model: means and spreads at an age.
        measurement: which length.
        age: weeks.
        weeks_off: standard deviation of its error.
    """
    mean = model.mean(measurement, age)
    dating = weeks_off * model.slope[measurement]
    spread = math.hypot(SPREAD.get(measurement, 1.0) * model.sd(measurement, age), dating)
    return math.log(mean), spread / mean
