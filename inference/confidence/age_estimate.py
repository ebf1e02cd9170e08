"""Gestational age from the image: a regression on how large and how folded the brain is, with an interval.

It is linear in the logarithms of volumes and lengths, in the folding, in their squares, and in the products of folding
and sizes: a brain that is small for its folds is rather small than young, but young brains have hardly any folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS
from feta.participants import OLDEST_WEEKS, YOUNGEST_WEEKS
from inference.biometry.calibration import finite_array
from inference.confidence.margins import WIDER_A_WEEK, Groups, Margins, groups_from, margins_from, outside
from inference.confidence.shape_signals import ventricles_part

Array = npt.NDArray[np.float64]
#: A tissue of less than this (ml) was not found: at 20 weeks the least, the brainstem and the cerebellum, have more.
LEAST_ML = 0.1
SIZES = len(TISSUES) + len(MEASUREMENTS)
#: The sizes and the folding.
INPUTS = SIZES + 1
#: Of the design: 1, each input, each squared, and the folding times each size.
COLUMNS = 1 + 2 * INPUTS + SIZES


@dataclass(frozen=True)
class Age:
    """An estimate, weeks; its interval holds the age with a chance of 90 %.

    Attributes:
        weeks, low, high: the estimate and its interval.
        by_size: weeks of a brain of this size whose folds are usual at it. It errs more, but no folds hide there that
            voxels are of another size than the header says.
    """

    weeks: float
    low: float
    high: float
    by_size: float

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
            "whether sizes suit each other and the folds, not whether they suit the age"
        )


@dataclass(frozen=True)
class AgeEstimator:
    """A regression of the age.

    Attributes:
        centre, spread: (13,) of ln(ml) of the tissues, ln(mm) of the lengths without age, and the folding.
        coefficients: (39,) of the columns of ``design``.
        groups: by what the interval differs; the expected quality is none of it.
        margins: weeks from the estimate to the interval's ends, by left-out individuals.
        ages: youngest and oldest of the fit, weeks.
    """

    centre: Array
    spread: Array
    coefficients: Array
    groups: Groups
    margins: Margins
    ages: tuple[float, float]

    def estimate(self, volumes_ml: Array, lengths_mm: Array, folding: float) -> Age | None:
        """The age of a brain, within those that a fetus can have; None without a brain, or three lengths.

        Args:
            volumes_ml: (7,) of the tissues.
            lengths_mm: (5,) found without any age; NaN where unknown.
            folding: as ``folding`` gives it; NaN where unknown.
        """
        if not (volumes_ml >= LEAST_ML).any() or np.isfinite(lengths_mm).sum() < 3:
            return None
        known = [self.standardised(volumes_ml, lengths_mm, each) for each in (folding, np.nan)]
        # Of an odd label map it might be any number.
        weeks, by_size = np.clip(design(np.stack(known)) @ self.coefficients, YOUNGEST_WEEKS, OLDEST_WEEKS).tolist()
        groups = self.groups.indicators(1, weeks, np.inf, ventricles_part(volumes_ml))
        wider = 1 + WIDER_A_WEEK * outside(weeks, self.ages)
        below, above = (float(margin[0]) * wider for margin in self.margins.of(groups))
        return Age(weeks, weeks - below, weeks + above, by_size)

    def standardised(self, volumes_ml: Array, lengths_mm: Array, folding: float) -> Array:
        """(13,) within three standard deviations; an unknown length or volume is as large as the known ones are."""
        off = (inputs(volumes_ml, lengths_mm, folding) - self.centre) / self.spread
        for of_a_kind in (off[: len(TISSUES)], off[len(TISSUES) : SIZES]):
            known = np.isfinite(of_a_kind)
            of_a_kind[~known] = of_a_kind[known].mean() if known.any() else 0.0
        off = np.clip(off, -3.0, 3.0)
        # A brain grows and folds at once: one of unknown folds has those that are usual at its size.
        off[SIZES] = off[SIZES] if np.isfinite(off[SIZES]) else off[:SIZES].mean()
        return off

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        arrays = {n: [float(f"{v:.7g}") for v in getattr(self, n)] for n in ("centre", "spread", "coefficients")}
        return {**arrays, "groups": self.groups.plain(), "margins": self.margins.plain(), "ages": list(self.ages)}


def inputs(volumes_ml: Array, lengths_mm: Array, folding: float) -> Array:
    """(13,) ln(ml) of the tissues, NaN of those not found; ln(mm) of the lengths; folding."""
    found = np.where(volumes_ml >= LEAST_ML, volumes_ml, np.nan)
    return np.concatenate([np.log(found), np.log(lengths_mm), [folding]])


def design(standardised: Array) -> Array:
    """(N, 39) of (N, 13): 1, each, each squared, and the last, the folding, times each of the others."""
    products = standardised[:, :SIZES] * standardised[:, SIZES:]
    return np.hstack([np.ones((len(standardised), 1)), standardised, standardised**2, products])


def age_estimator_from(content: Mapping[str, Any]) -> AgeEstimator:
    """What ``AgeEstimator.plain`` gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    sizes = {"centre": INPUTS, "spread": INPUTS, "coefficients": COLUMNS}
    arrays = {name: finite_array(content[name], name, (size,)) for name, size in sizes.items()}
    if arrays["spread"].min() <= 0:
        raise ValueError("a spread that is not positive")
    youngest, oldest = finite_array(content["ages"], "ages", (2,)).tolist()
    return AgeEstimator(
        **arrays, groups=groups_from(content["groups"]), margins=margins_from(content["margins"], 1),
        ages=(youngest, oldest),
    )  # fmt: skip
