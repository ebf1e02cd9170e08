"""Fit what predicts a result's quality, and judge it on individuals that were left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf

from feta.errors import FetaError
from inference.confidence.age_estimate import AgeEstimator
from inference.confidence.quality_model import Figure, QualityModel
from inference.confidence.trees import Trees
from training.confidence.age_fit import fit_age
from training.confidence.causes import AS_IS
from training.confidence.grow import grow
from training.confidence.margins import FEWEST_INDIVIDUALS, fit_margins, groups_of
from training.confidence.quality_table import Table, folds_of, with_age
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]


def grow_all(table: Table) -> dict[Figure, Trees]:
    """Trees of each figure."""
    found = {}
    for figure in Figure:
        target = table.targets[figure]
        known = np.isfinite(target)
        found[figure] = grow(table.signals[figure][known], target[known])
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
    half = float(np.median([d for d, row in zip(dice, table.rows, strict=True) if row.cause == AS_IS]))
    groups = groups_of(plain, np.array([row.case["ventricles"] for row in plain]), half)
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
    estimate = row.estimated(age)
    return float("nan") if estimate is None else estimate.weeks


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
