"""Margins of intervals, by group: of the quality and sizes that are expected, and of the age that the image shows.

Linear in the tissue or length, the thirds of the age, the halves of the expected quality and the width of the
ventricles, which holds the promise in each of these groups (Jung et al., "Batch multivalid conformal prediction", ICLR
2023). Nobody says at run time which brain is ill; wide ventricles tell most of them, so that the healthy need not bear
the intervals of the ill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.biometry.calibration import finite_array

Array = npt.NDArray[np.float64]
#: Groups that a case belongs to or not.
OF_CASE = 4
#: Beyond the ages of the fit intervals widen by this part a week.
WIDER_A_WEEK = 0.1


def outside(weeks: float, ages: tuple[float, float]) -> float:
    """Weeks by which an age lies beyond the youngest and the oldest of a fit; 0 of one that is unknown (NaN)."""
    return 0.0 if np.isnan(weeks) else float(max(ages[0] - weeks, weeks - ages[1], 0.0))


@dataclass(frozen=True)
class Groups:
    """By what cases are told apart, as far as that is known when they are run.

    Attributes:
        weeks: two ages that part the thirds.
        dice: expected mean Dice that parts the halves.
        ventricles: ln of their part of the volume, above which they count as wide.
    """

    weeks: tuple[float, float]
    dice: float
    ventricles: float

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"weeks": list(self.weeks), "dice": self.dice, "ventricles": self.ventricles}

    def indicators(self, elements: int, weeks: float, dice: float, ventricles: float) -> Array:
        """(E, E + 4): tissue or length, second and third third of the age, lower half of quality, wide ventricles."""
        last, wide = weeks > self.weeks[1], ventricles > self.ventricles
        of_case = np.array([self.weeks[0] < weeks <= self.weeks[1], last, dice < self.dice, wide], np.float64)
        return np.hstack([np.eye(elements), np.tile(of_case, (elements, 1))])


@dataclass(frozen=True)
class Margins:
    """Quantiles of the errors that are left over, in units of what is expected of them; linear in the groups.

    Attributes:
        low, high: (E + 4,) coefficients of the quantiles below and above; of sizes, whose intervals are as wide to
            both sides (of the logarithm), both are the same.
    """

    low: Array
    high: Array

    def of(self, indicators: Array) -> tuple[Array, Array]:
        """(E,) below and above, none less than nothing."""
        return np.maximum(indicators @ self.low, 0.0), np.maximum(indicators @ self.high, 0.0)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {name: [float(f"{v:.6g}") for v in getattr(self, name).tolist()] for name in ("low", "high")}


def groups_from(content: Mapping[str, Any]) -> Groups:
    """What ``Groups.plain`` gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    first, second = finite_array(content["weeks"], "weeks", (2,)).tolist()
    dice, ventricles = finite_array([content["dice"], content["ventricles"]], "groups", (2,)).tolist()
    return Groups((first, second), dice, ventricles)


def margins_from(content: Mapping[str, Any], elements: int) -> Margins:
    """What ``Margins.plain`` gave, of so many tissues or lengths.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return Margins(*(finite_array(content[name], name, (elements + OF_CASE,)) for name in ("low", "high")))
