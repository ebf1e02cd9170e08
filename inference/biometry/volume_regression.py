"""Lengths from the volumes of the tissues, and from the age where it is known: linear in the logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.labels import label_counts
from feta.volumes import Volume

Array = npt.NDArray[np.float64]
#: A tissue counts as no less than this (ml): in spina bifida external CSF can be all but absent.
LEAST_ML = 0.1
#: Ages enter as a difference from this (weeks), and its square.
MIDDLE_WEEKS = 28.0


@dataclass(frozen=True)
class Regression:
    """Coefficients of ln(mm), by measurement in the order of MEASUREMENTS.

    Attributes:
        without_age: (5, 8), for 1 and ln(ml) of the seven tissues.
        with_age: (5, 10), for the same, the weeks above 28 and their square.
    """

    without_age: Array
    with_age: Array

    def lengths(self, volumes_ml: Array, age: float | None) -> Array:
        """The five lengths, mm; NaN where there is no tissue at all.

        Args:
            volumes_ml: (7,) as from ``tissue_volumes``.
            age: weeks; None where unknown.
        """
        if not np.any(volumes_ml):
            return np.full(len(self.without_age), np.nan)
        table = self.without_age if age is None else self.with_age
        return np.asarray(np.exp(table @ regressors(volumes_ml, age)))


def regressors(volumes_ml: Array, age: float | None) -> Array:
    """What the coefficients are for: (8,), or (10,) where the age is known."""
    weeks = [] if age is None else [age - MIDDLE_WEEKS, (age - MIDDLE_WEEKS) ** 2]
    return np.concatenate([[1.0], np.log(np.maximum(volumes_ml, LEAST_ML)), weeks])


def tissue_volumes(labels: Volume) -> Array:
    """(7,) ml of each tissue, in the order of TISSUES."""
    return np.asarray(label_counts(labels.array)[1:] * float(np.prod(labels.grid.spacing)) / 1000, np.float64)
