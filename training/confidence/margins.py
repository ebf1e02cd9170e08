"""Conformal margins: quantiles of what is left over in individuals that the trees had not seen, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import QuantileRegressor

from inference.confidence.margins import OF_CASE, Groups, Margins
from inference.confidence.quality_model import CHANCE, DICE_FLOOR, ERROR_LEAST, Figure
from training.confidence.causes import AS_IS
from training.confidence.quality_table import Table
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]
FEWEST_INDIVIDUALS = 12
#: Of fewer no groups are told apart: of twelve, intervals by group held three quarters of others.
FEWEST_IN_GROUPS = 25
#: Part of the healthy whose ventricles don't count as wide.
HEALTHY_BELOW = 0.85


def left_over(table: Table, said: Mapping[Figure, Array], figure: Figure) -> Array:
    """(N, E) errors in units of what is expected of them: signed of Dice and HD95, absolute of sizes; NaN without."""
    true, predicted = table.targets[figure].reshape(-1, figure.elements), said[figure]
    if figure is Figure.DICE:
        predicted = np.clip(predicted, 0, 1)
        return (true - predicted) / (DICE_FLOOR + 1 - predicted)
    if figure is Figure.HD95:
        return true - predicted
    return (np.exp(true) - ERROR_LEAST) / np.exp(predicted)


def fit_margins(table: Table, said: Mapping[Figure, Array], groups: Groups, weeks: Array, figure: Figure) -> Margins:
    """Quantiles of what is left over of volumes as they come, for which the promise is; linear in the groups."""
    over, dice = left_over(table, said, figure), np.clip(said[Figure.DICE], 0, 1).mean(axis=1)
    plain = [number for number, row in enumerate(table.rows) if row.cause == AS_IS]
    ventricles = [table.rows[n].case.get("ventricles", np.nan) for n in plain]
    of_cases = zip(weeks[plain], dice[plain], ventricles, strict=True)
    design = np.concatenate([groups.indicators(figure.elements, *of_case) for of_case in of_cases])
    flat = over[plain].ravel()
    known = np.isfinite(flat)
    count = len({(table.rows[n].cohort, table.rows[n].individual) for n in plain})
    design, flat = told_apart(design[known], count), flat[known]
    if figure in (Figure.DICE, Figure.HD95):
        chance = chance_for(count, 1 - (1 - CHANCE) / 2)
        return Margins(quantile(design, -flat, chance), quantile(design, flat, chance))
    high = quantile(design, flat, chance_for(count))
    return Margins(high, high)


def told_apart(design: Array, individuals: int) -> Array:
    """Indicators (N, E + 4), those of groups 0 where so few individuals can't tell the groups apart."""
    if individuals >= FEWEST_IN_GROUPS:
        return design
    return np.where(np.arange(design.shape[1]) < design.shape[1] - OF_CASE, design, 0.0)


def chance_for(individuals: int, chance: float = CHANCE) -> float:
    """What part of so many must be held for the next one to be held with a chance: it may be the worst of all."""
    return min(chance * (individuals + 1) / individuals, 0.995)


def quantile(design: Array, values: Array, chance: float) -> Array:
    """(K,) coefficients of a quantile of the values (N,), linear in the design (N, K)."""
    fitted = QuantileRegressor(quantile=chance, alpha=1e-4, fit_intercept=False, solver="highs")
    return np.asarray(fitted.fit(design, values).coef_, np.float64)


def groups_of(rows: Sequence[CaseRow], ventricles: Array, dice: float) -> Groups:
    """The thirds of the ages of rows, and above which part of the volume ventricles count as wide.

    Args:
        rows: volumes as they are, N.
        ventricles: (N,) ln of their part of the volume.
        dice: expected mean Dice that parts the halves.
    """
    ages, ill = np.array([row.age for row in rows]), np.array([row.ill for row in rows], bool)
    first, second = np.quantile(ages[np.isfinite(ages)], [1 / 3, 2 / 3])
    healthy = ventricles if ill.all() else ventricles[~ill]
    return Groups((float(first), float(second)), dice, float(np.quantile(healthy, HEALTHY_BELOW)))
