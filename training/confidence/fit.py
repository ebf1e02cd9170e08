"""Fit what predicts a result's quality, and judge it on individuals that were left out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import QuantileRegressor

from feta.errors import FetaError
from inference.confidence.age_estimate import INPUTS, AgeEstimator, design, logarithms
from inference.confidence.quality_model import (
    CHANCE,
    DICE_FLOOR,
    ERROR_LEAST,
    HD95_LEAST_MM,
    Figure,
    Groups,
    Margins,
    QualityModel,
)
from inference.confidence.trees import Trees
from training.assessment.calibration_fit import ridge
from training.confidence.causes import AS_IS
from training.confidence.grow import grow
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]
FEWEST_INDIVIDUALS, FEWEST_AGES, FOLDS = 12, 8, 5
#: Share of the rows whose lengths are taken as they are found with the age.
WITH_AGE = 0.7
#: What a spoilt volume counts for where margins are sought: the promise is for volumes as they come.
SPOILT = 0.25
#: A tissue that was not found is this far off, mm.
MOST_HD95_MM = 60.0


def with_age(row: CaseRow) -> bool:
    """Whether a row's lengths are taken with the age; drawn by its name."""
    return hashlib.sha256(row.name.encode()).digest()[0] / 256 < WITH_AGE


@dataclass(frozen=True)
class Table:
    """Rows as arrays: signals (N·E, F) and targets (N·E,) of each figure; NaN where there is no truth."""

    rows: tuple[CaseRow, ...]
    signals: Mapping[Figure, Array]
    targets: Mapping[Figure, Array]

    @classmethod
    def of(cls, rows: Sequence[CaseRow]) -> Table:
        """Of rows whose volumes were segmented."""
        kept = tuple(row for row in rows if not row.refused and row.volumes.any())
        signals = [row.signals(with_age=with_age(row)) for row in kept]
        tissues = np.concatenate([each.of_tissues() for each in signals])
        lengths = np.concatenate([each.of_lengths() for each in signals])
        targets = {
            Figure.DICE: np.concatenate([row.dice for row in kept]),
            Figure.HD95: np.log(np.minimum(np.concatenate([row.hd95 for row in kept]), MOST_HD95_MM) + HD95_LEAST_MM),
            Figure.VOLUME: _log_error(np.stack([r.volumes for r in kept]), np.stack([r.true_volumes for r in kept])),
            Figure.LENGTH: _log_error(np.stack([_values(r) for r in kept]), np.stack([r.true_lengths for r in kept])),
        }
        return cls(kept, {f: lengths if f is Figure.LENGTH else tissues for f in Figure}, targets)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The rows chosen (N,)."""
        rows = tuple(row for row, taken in zip(self.rows, chosen, strict=True) if taken)
        return Table(
            rows,
            {f: self.signals[f][np.repeat(chosen, f.elements)] for f in Figure},
            {f: self.targets[f][np.repeat(chosen, f.elements)] for f in Figure},
        )

    def without(self, columns: Sequence[int]) -> Table:
        """The same with some of the signals of the tissues unknown."""
        tissues = self.signals[Figure.DICE].copy()
        tissues[:, list(columns)] = np.nan
        signals = {f: self.signals[f] if f is Figure.LENGTH else tissues for f in Figure}
        return dataclasses.replace(self, signals=signals)


def _values(row: CaseRow) -> Array:
    found = row.lengths(with_age=with_age(row))
    return np.full(5, np.nan) if found is None else found.values


def _log_error(found: Array, true: Array) -> Array:
    """ln of how far ln of sizes (N, E) is off, (N·E,); NaN without a truth."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(np.log(np.maximum(found, 1e-3) / np.maximum(true, 1e-3)))
    return np.log(np.minimum(off, 3.0) + ERROR_LEAST).ravel()


def folds_of(rows: Sequence[CaseRow], count: int = FOLDS) -> npt.NDArray[np.int64]:
    """(N,) the fold of each row; all rows of an individual are in one."""
    names = sorted({f"{row.cohort}/{row.individual}" for row in rows})
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[i]: k % count for k, i in enumerate(order)}
    return np.array([fold[f"{row.cohort}/{row.individual}"] for row in rows])


def grow_all(table: Table) -> dict[Figure, Trees]:
    """Trees of each figure."""
    weight = np.ones(len(table.rows))
    found = {}
    for figure in Figure:
        target = table.targets[figure]
        known = np.isfinite(target)
        weights = np.repeat(weight, figure.elements)
        found[figure] = grow(table.signals[figure][known], target[known], weights[known])
    return found


def left_out(table: Table, grown: Callable[[Table], Mapping[Figure, Trees]] = grow_all) -> dict[Figure, Array]:
    """(N, E) what is predicted of each row by trees that saw none of its individual's."""
    folds = folds_of(table.rows)
    found = {f: np.empty(len(table.targets[f])) for f in Figure}
    for fold in np.unique(folds):
        out = folds == fold
        trees = grown(table.part(~out))
        for figure in Figure:
            rows = np.repeat(out, figure.elements)
            found[figure][rows] = trees[figure].predict(table.signals[figure][rows])
    return {f: a.reshape(-1, f.elements) for f, a in found.items()}


def fit_quality_model(rows: Sequence[CaseRow], weights: str) -> tuple[QualityModel, dict[Figure, Array], Table]:
    """Fit all; also what is predicted of left-out rows, and the rows that were used.

    Args:
        rows: of simulated cohorts and labelled volumes, as they are and spoilt.
        weights: as ``networks_digest`` gives it.

    Raises:
        FetaError: there are too few individuals, or none with lengths.
    """
    table = Table.of(rows)
    individuals = len({(row.cohort, row.individual) for row in table.rows})
    if individuals < FEWEST_INDIVIDUALS:
        problem = f"{individuals} individuals are too few for a model of quality"
        raise FetaError("confidence", problem, f"give {FEWEST_INDIVIDUALS} or more, better hundreds")
    said = left_out(table)
    age = fit_age(table.rows)
    plain = [row for row in table.rows if row.cause == AS_IS]
    weeks = np.array([weeks_of(row, age) for row in table.rows])
    ages = np.array([row.age for row in plain if np.isfinite(row.age)])
    dice = np.clip(said[Figure.DICE], 0, 1).mean(axis=1)
    thirds = np.quantile(ages, [1 / 3, 2 / 3])
    half = float(np.median([d for d, row in zip(dice, table.rows, strict=True) if row.cause == AS_IS]))
    groups = Groups((float(thirds[0]), float(thirds[1])), half)
    margins = {f: fit_margins(table, said, groups, weeks, f) for f in Figure}
    centre, spread, precision = _spread(table)
    model = QualityModel(
        grow_all(table), margins, groups, (float(ages.min()), float(ages.max())), age, centre, spread, precision,
        len(table.rows), individuals, weights,
    )  # fmt: skip
    return model, said, table


def weeks_of(row: CaseRow, age: AgeEstimator) -> float:
    """The age that the submission would go by: the one that is given, else the estimated one."""
    if with_age(row) and np.isfinite(row.age):
        return row.age
    estimate = None if row.ageless is None else age.estimate(row.volumes, row.ageless.values)
    return float("nan") if estimate is None else estimate.weeks


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


def fit_age(rows: Sequence[CaseRow]) -> AgeEstimator:
    """The age of volumes as they are, of cohorts whose lengths are known: atlases are too large for their ages.

    Raises:
        FetaError: there are too few.
    """
    chosen = [
        row
        for row in rows
        if row.cause == AS_IS and np.isfinite(row.age) and np.isfinite(row.true_lengths).all() and row.ageless
    ]
    if len(chosen) < FEWEST_AGES:
        problem = f"{len(chosen)} volumes with age and true lengths are too few to estimate ages"
        raise FetaError("confidence", problem, f"give a simulated cohort of {FEWEST_AGES} or more, better hundreds")
    logs = np.stack([logarithms(row.volumes, _ageless(row)) for row in chosen])
    centre = np.nanmean(logs, axis=0)
    spread = np.maximum(np.nanstd(logs, axis=0), 1e-3)
    blank = AgeEstimator(centre, spread, np.zeros(1 + 2 * INPUTS), 0.0, 0.0)
    table = design(np.stack([blank.standardised(row.volumes, _ageless(row)) for row in chosen]))
    weeks = np.array([row.age for row in chosen])
    coefficients, said = ridge(table[:, 1:], weeks)
    off = np.sort(weeks - said)
    rank = min(1.0, 0.95 * (len(off) + 1) / len(off))
    low, high = -float(np.quantile(-off, rank)), float(np.quantile(off, rank))
    return dataclasses.replace(blank, coefficients=coefficients, low=low, high=high)


def _ageless(row: CaseRow) -> Array:
    assert row.ageless is not None
    return row.ageless.values


def _spread(table: Table) -> tuple[Array, Array, Array]:
    """Middle, spread and shrunk inverse covariance of the signals of volumes that were segmented well."""
    signals = np.stack([row.signals(with_age=with_age(row)).of_case() for row in table.rows if not row.bad])
    with np.errstate(all="ignore"):
        centre = np.nan_to_num(np.nanmedian(signals, axis=0))
        spread = np.nan_to_num(1.4826 * np.nanmedian(np.abs(signals - centre), axis=0))
        spread = np.maximum(spread, 0.25 * np.nan_to_num(np.nanstd(signals, axis=0)))
    spread = np.where(spread > 1e-6, spread, 1.0)
    off = np.nan_to_num(np.clip((signals - centre) / spread, -10, 10))
    covariance, _ = ledoit_wolf(off, assume_centered=True)
    return centre, spread, np.linalg.inv(covariance + 1e-3 * np.eye(len(covariance)))
