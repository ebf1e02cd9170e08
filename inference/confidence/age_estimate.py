"""Gestational age from the image: linear in the logarithms of volumes and lengths and their squares, with an interval.

The estimate says how old a brain of this size would be; it can't tell a small brain from a young one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS

Array = npt.NDArray[np.float64]
#: Volumes count as no less than this (ml).
LEAST_ML = 0.1
INPUTS = len(TISSUES) + len(MEASUREMENTS)


@dataclass(frozen=True)
class Age:
    """An estimate, weeks; its interval holds the age with a chance of 90 %."""

    weeks: float
    low: float
    high: float

    def beyond(self, age: float) -> float:
        """Weeks by which an age lies beyond the interval; negative within."""
        return max(self.low - age, age - self.high)

    @property
    def words(self) -> str:
        """Such as '27.3 weeks (25.9 to 28.7)'."""
        return f"{self.weeks:.1f} weeks ({self.low:.1f} to {self.high:.1f})"

    @property
    def instead(self) -> str:
        """What is said where no age was given."""
        return (
            f"no age was given: centiles are for the age estimated from the image, {self.words}: they tell "
            "whether sizes suit each other, not whether they suit the age"
        )


@dataclass(frozen=True)
class AgeEstimator:
    """A regression of the age.

    Attributes:
        centre, spread: (12,) of ln(ml) of the tissues and ln(mm) of the lengths without age.
        coefficients: (25,) of 1, the standardised logarithms and their squares.
        low, high: weeks from the estimate to the interval's ends, by left-out individuals.
    """

    centre: Array
    spread: Array
    coefficients: Array
    low: float
    high: float

    def estimate(self, volumes_ml: Array, lengths_mm: Array) -> Age | None:
        """The age of a brain; None where there is no brain, or fewer than three lengths.

        Args:
            volumes_ml: (7,) of the tissues.
            lengths_mm: (5,) found without any age; NaN where unknown.
        """
        if not volumes_ml.any() or np.isfinite(lengths_mm).sum() < 3:
            return None
        weeks = float(self.coefficients @ design(self.standardised(volumes_ml, lengths_mm)[None])[0])
        return Age(weeks, weeks + self.low, weeks + self.high)

    def standardised(self, volumes_ml: Array, lengths_mm: Array) -> Array:
        """(12,) within three standard deviations; an unknown length is as large as the known ones are."""
        off = (logarithms(volumes_ml, lengths_mm) - self.centre) / self.spread
        known = np.isfinite(off)
        usual = float(off[len(TISSUES) :][known[len(TISSUES) :]].mean()) if known[len(TISSUES) :].any() else 0.0
        return np.clip(np.where(known, off, usual), -3.0, 3.0)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        arrays = {n: [float(f"{v:.7g}") for v in getattr(self, n)] for n in ("centre", "spread", "coefficients")}
        return {**arrays, "low": round(self.low, 4), "high": round(self.high, 4)}


def logarithms(volumes_ml: Array, lengths_mm: Array) -> Array:
    """(…, 12) ln(ml) and ln(mm)."""
    return np.concatenate([np.log(np.maximum(volumes_ml, LEAST_ML)), np.log(lengths_mm)], axis=-1)


def design(standardised: Array) -> Array:
    """(N, 25) of (N, 12): 1, each, and each squared."""
    return np.hstack([np.ones((len(standardised), 1)), standardised, standardised**2])


def age_estimator_from(content: Mapping[str, Any]) -> AgeEstimator:
    """What ``AgeEstimator.plain`` gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    sizes = {"centre": INPUTS, "spread": INPUTS, "coefficients": 1 + 2 * INPUTS}
    arrays = {name: np.array(content[name], np.float64) for name in sizes}
    if any(arrays[n].shape != (size,) or not np.isfinite(arrays[n]).all() for n, size in sizes.items()):
        raise ValueError("an age estimate of another shape")
    if arrays["spread"].min() <= 0:
        raise ValueError("a spread that is not positive")
    low, high = float(content["low"]), float(content["high"])
    if not -np.inf < low <= high < np.inf:
        raise ValueError("an age estimate without an interval")
    return AgeEstimator(**arrays, low=low, high=high)
