"""Whether the lengths on an image contradict the gestational age that was given.

One length far from its mean is a patient. Several that suit another age, and that one well, are a wrong age: a typing
error, the age at birth, another session's. The age is then the likelier error, and the measurements are kept. A brain
that is small or large throughout, as in growth restriction, looks the same and is named as the other explanation.

The test is Bayesian: how likely the lengths are at the age given, against all ages that might have been meant. At each
age a length is a healthy fetus's or, less often, a patient's, as in ``age_prior``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.age_model import CURVE_WEEKS, AgeModel
from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.age_prior import PATHOLOGICAL, PATHOLOGICAL_SPREAD, age_prior

Array = npt.NDArray[np.float64]
#: How often an age in a table is taken not to be that of the scan; any other is then as likely. More than tables are
#: wrong: an age that is doubted wrongly costs a length little, since the image tells it well.
WRONG_AGES = 0.2
#: So many lengths must lie this far from their means, in standard deviations and to the same side.
FEWEST, FAR = 3, 1.0
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


def contradiction(logs: Array, sds: Array, age: float, model: AgeModel) -> Contradiction | None:
    """Test an age against the lengths that were measured without it.

    Args:
        logs: (5,) ln(mm) in the order of MEASUREMENTS; NaN where there is none.
        sds: (5,) standard deviations of their errors.
        age: weeks.
        model: means and spreads at an age.

    Returns:
        None where the age may be right.
    """
    known = [i for i in range(len(MEASUREMENTS)) if np.isfinite(logs[i])]
    deviations = {i: _deviation(logs[i], sds[i], i, age, model) for i in known}
    side = 1.0 if sum(np.sign(d) for d in deviations.values()) > 0 else -1.0
    far = [i for i in known if side * deviations[i] > FAR]
    if len(far) < FEWEST:
        return None
    given = _log_likelihood(logs, sds, known, age, model)
    others = np.array([_log_likelihood(logs, sds, known, float(weeks), model) for weeks in _WEEKS])
    best = float(_WEEKS[int(others.argmax())])
    odds = np.log(WRONG_AGES / (1 - WRONG_AGES)) + np.logaddexp.reduce(others) - np.log(len(_WEEKS)) - given
    fitting = sum(abs(_deviation(logs[i], sds[i], i, best, model)) < NEAR for i in known)
    if odds < 0 or fitting < FEWEST:  # or a brain of no age at all
        return None
    return Contradiction(tuple(MEASUREMENTS[i] for i in far), best)


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
