"""Whether the lengths on an image contradict the gestational age that was given.

One length far from its mean is a patient. Several that suit another age, and that one well, are a wrong age: a typing
error, the age at birth, another session's. The age is then the likelier error, and the measurements are kept. A brain
that is small or large throughout, as in growth restriction, looks the same and is named as the other explanation.

The test is Bayesian: how likely the lengths are at the age given, against the ages that might have been meant. At each
age a length is a healthy fetus's or, less often, a patient's, as in ``age_prior``. Its answer is how far the age is in
doubt, by which the fusion takes from its weight; where the lengths contradict it plainly, it isn't used at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from feta.age_model import CURVE_WEEKS, AgeModel
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.age_prior import PATHOLOGICAL, PATHOLOGICAL_SPREAD, age_prior

Array = npt.NDArray[np.float64]
#: How often an age in a table is taken not to be that of the scan. More than tables are wrong: an age that is doubted
#: wrongly costs a length little, since the image tells it well.
WRONG_AGES = 0.3
#: The age that was meant is then near the one given, with this standard deviation (weeks), in such a share of cases, as
#: where weeks are counted from another day; in the others any age is as likely.
NEAR_SHARE, NEAR_WEEKS = 0.5, 2.5
#: So many lengths must lie this far from their means, in standard deviations and to the same side. Two do where one of
#: them is a biparietal diameter and the other isn't: cerebellum and vermis are often small together, and both diameters
#: are of one head, wide in hydrocephalus.
FEWEST, FAR = 2, 1.0
ENOUGH = 3
#: The most doubt that one organ alone casts; and one from which on the age isn't used, and the user is told.
LIKELIER, PLAIN = 0.5, 0.7
_WIDE = (Measurement.BBIP, Measurement.SBIP)
#: At the age that is meant instead, as many lie no farther than this.
NEAR = 2.0
_WEEKS = np.arange(CURVE_WEEKS[0], CURVE_WEEKS[1] + 0.01, 0.25)


@dataclass(frozen=True)
class Contradiction:
    """Lengths that contradict an age.

    Attributes:
        measurements: those that do.
        weeks: the age that all lengths suit best.
    """

    measurements: tuple[Measurement, ...]
    weeks: float

    def describe(self, age: float) -> str:
        """One line for the user."""
        names = ", ".join(map(str, self.measurements))
        size = "small" if self.weeks < age else "large"
        return (
            f"{names} contradict the gestational age of {age:g} weeks and suit about {self.weeks:.0f}: the age is not "
            f"used, check it; if it is right, the whole brain is unusually {size}"
            + (" (growth restriction?)" if size == "small" else "")
        )


@dataclass(frozen=True)
class AgeCheck:
    """What the lengths say of an age.

    Attributes:
        doubt: 0 to 1, the chance that it isn't the scan's.
        side: 1 where several lengths are large for it, -1 where they are small, 0 where neither is so.
        contradiction: lengths that contradict it plainly; None where it may be right.
    """

    doubt: float = 0.0
    side: int = 0
    contradiction: Contradiction | None = None


def check_age(logs: Array, sds: Array, age: float, model: AgeModel) -> AgeCheck:
    """Test an age against the lengths that were measured without it.

    Args:
        logs: (5,) ln(mm) in the order of MEASUREMENTS; NaN where there is none.
        sds: (5,) standard deviations of their errors.
        age: weeks.
        model: means and spreads at an age.
    """
    known = [i for i in range(len(MEASUREMENTS)) if np.isfinite(logs[i])]
    if not known:
        return AgeCheck()
    given = _log_likelihood(logs, sds, known, age, model)
    others = np.array([_log_likelihood(logs, sds, known, float(weeks), model) for weeks in _WEEKS])
    odds = np.log(WRONG_AGES / (1 - WRONG_AGES)) + np.logaddexp.reduce(others + np.log(_meant(age))) - given
    side, far = _far(logs, sds, known, age, model)
    # One patient's organ alone, however far from its mean, makes no age the likelier error.
    doubt = float(expit(odds)) if far else min(float(expit(odds)), LIKELIER)
    best = float(_WEEKS[int(others.argmax())])
    fitting = sum(abs(_deviation(logs[i], sds[i], i, best, model)) < NEAR for i in known)
    # Lengths that suit no age are those of no brain.
    if not far or doubt < PLAIN or fitting < min(len(known), ENOUGH):
        return AgeCheck(doubt, side)
    return AgeCheck(doubt, side, Contradiction(tuple(MEASUREMENTS[i] for i in far), best))


def _meant(age: float) -> Array:
    """How likely each of the weeks is to have been meant, where an age is wrong; adds up to 1."""
    near = np.exp(-0.5 * ((_WEEKS - np.clip(age, *CURVE_WEEKS)) / NEAR_WEEKS) ** 2)
    return NEAR_SHARE * near / near.sum() + (1 - NEAR_SHARE) / len(_WEEKS)


def _far(logs: Array, sds: Array, known: list[int], age: float, model: AgeModel) -> tuple[int, list[int]]:
    """The side to which most lengths are off their means, and those far off to it; 0 and none if too few to tell."""
    deviations = {i: _deviation(logs[i], sds[i], i, age, model) for i in known}
    side = 1 if sum(np.sign(d) for d in deviations.values()) > 0 else -1
    far = [i for i in known if side * deviations[i] > FAR]
    kinds = {MEASUREMENTS[i] in _WIDE for i in far}
    telling = len(far) >= ENOUGH or len(kinds) > 1
    return (side, far) if len(far) >= FEWEST and telling else (0, [])


def _deviation(log: float, sd: float, measurement: int, age: float, model: AgeModel) -> float:
    mean, spread = age_prior(model, MEASUREMENTS[measurement], age)
    return float((log - mean) / np.hypot(spread, sd))


def _log_likelihood(logs: Array, sds: Array, known: list[int], age: float, model: AgeModel) -> float:
    """Of all lengths that are known, each a healthy fetus's or a patient's."""
    total = 0.0
    for i in known:
        mean, spread = age_prior(model, MEASUREMENTS[i], age)
        kinds = ((1 - PATHOLOGICAL, 1.0), (PATHOLOGICAL, PATHOLOGICAL_SPREAD))
        parts = [
            np.log(share) - np.log(sd) - 0.5 * ((logs[i] - mean) / sd) ** 2
            for share, sd in ((share, float(np.hypot(widening * spread, sds[i]))) for share, widening in kinds)
        ]
        total += float(np.logaddexp.reduce(parts))
    return total
