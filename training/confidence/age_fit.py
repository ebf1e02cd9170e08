"""The regression of the age on volumes, lengths and folding."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from inference.confidence.age_estimate import COLUMNS, AgeEstimator, design, inputs
from training.assessment.calibration_fit import ridge
from training.confidence.causes import AS_IS
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]
FEWEST_AGES = 8


def fit_age(rows: Sequence[CaseRow]) -> AgeEstimator:
    """The age of volumes as they are, of cohorts whose lengths are known: atlases are too large for their ages.

    Those whose label maps are bad are left out: sizes and folds of wrong label maps tell no age.

    Raises:
        FetaError: there are too few.
    """
    chosen = [
        row
        for row in rows
        if row.cause == AS_IS and np.isfinite(row.age) and np.isfinite(row.true_lengths).all()
        if row.ageless is not None and not row.bad
    ]
    if len(chosen) < FEWEST_AGES:
        problem = f"{len(chosen)} good volumes with age and true lengths are too few to estimate ages"
        remedy = "give a simulated cohort of more, better hundreds (10 at least)"
        raise FetaError("confidence", problem, remedy)
    known = [(row.volumes, _ageless(row), row.folding) for row in chosen]
    found = np.stack([inputs(*each) for each in known])
    centre = np.nanmean(found, axis=0)
    spread = np.maximum(np.nanstd(found, axis=0), 1e-3)
    blank = AgeEstimator(centre, spread, np.zeros(COLUMNS), 0.0, 0.0)
    table = design(np.stack([blank.standardised(*each) for each in known]))
    weeks = np.array([row.age for row in chosen])
    coefficients, said = ridge(table[:, 1:], weeks)
    off = np.sort(weeks - said)
    rank = min(1.0, 0.95 * (len(off) + 1) / len(off))
    low, high = -float(np.quantile(-off, rank)), float(np.quantile(off, rank))
    return dataclasses.replace(blank, coefficients=coefficients, low=low, high=high)


def _ageless(row: CaseRow) -> Array:
    assert row.ageless is not None
    return row.ageless.values
