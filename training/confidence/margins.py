"""Conformal margins: quantiles of what is left over in individuals that the trees had not seen, by group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import QuantileRegressor

from inference.confidence.quality_model import CHANCE, DICE_FLOOR, ERROR_LEAST, Figure, Groups, Margins
from training.confidence.causes import AS_IS
from training.confidence.quality_table import Table

Array = npt.NDArray[np.float64]
FEWEST_INDIVIDUALS = 12


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
    two_sided = figure in (Figure.DICE, Figure.HD95)
    chance = 1 - (1 - CHANCE) / 2 if two_sided else CHANCE
    chance = min(chance * (count + 1) / count, 0.995)  # of N cases, the next one may be the worst

    def coefficients(values: Array) -> Array:
        fitted = QuantileRegressor(quantile=chance, alpha=1e-4, fit_intercept=False, solver="highs")
        return np.asarray(fitted.fit(design[known], values).coef_, np.float64)

    high = coefficients(flat[known])
    return Margins(coefficients(-flat[known]) if two_sided else high, high)
