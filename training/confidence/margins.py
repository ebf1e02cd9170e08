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
#: What a spoilt volume counts for where margins are sought: the promise is for volumes as they come.
SPOILT = 0.25


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
    """Quantiles of what is left over, linear in the groups; widened until the healthy and the ill both have theirs."""
    over, dice = left_over(table, said, figure), np.clip(said[Figure.DICE], 0, 1).mean(axis=1)
    design = np.concatenate([groups.indicators(figure.elements, w, d) for w, d in zip(weeks, dice, strict=True)])
    weight = np.array([1.0 if row.cause == AS_IS else SPOILT for row in table.rows])
    flat, weights = over.ravel(), np.repeat(weight, figure.elements)
    known = np.isfinite(flat)
    ill = np.repeat([row.ill for row in table.rows], figure.elements)[known]
    count = len({(row.cohort, row.individual) for row in table.rows})
    two_sided = figure in (Figure.DICE, Figure.HD95)
    chance = 1 - (1 - CHANCE) / 2 if two_sided else CHANCE
    chance = min(chance * (count + 1) / count, 0.995)  # of N cases, the next one may be the worst

    def coefficients(values: Array) -> Array:
        fitted = QuantileRegressor(quantile=chance, alpha=1e-4, fit_intercept=False, solver="highs")
        fitted.fit(design[known], values, sample_weight=weights[known])
        found = np.asarray(fitted.coef_, np.float64)
        return found * _worst(values, design[known] @ found, ill, weights[known], chance)

    high = coefficients(flat[known])
    return Margins(coefficients(-flat[known]) if two_sided else high, high)


def _worst(values: Array, quantiles: Array, ill: npt.NDArray[np.bool_], weights: Array, chance: float) -> float:
    """The factor with which the quantiles hold in the worse of the healthy and the ill; 1 at least."""
    ratio = values / np.maximum(quantiles, 1e-6)
    needed = [1.0]
    for group in (ill, ~ill):
        if group.sum() >= FEWEST_INDIVIDUALS:
            order = np.argsort(ratio[group])
            share = np.cumsum(weights[group][order]) / weights[group].sum()
            needed.append(float(ratio[group][order][min(int(np.searchsorted(share, chance)), len(order) - 1)]))
    return max(needed)
