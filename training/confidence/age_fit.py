"""The regression of the age on volumes, lengths and folding."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feta.errors import FetaError
from inference.confidence.age_estimate import COLUMNS, AgeEstimator, design, inputs
from inference.confidence.margins import OF_CASE, Margins
from inference.confidence.shape_signals import ventricles_part
from training.assessment.calibration_fit import ridge
from training.confidence.causes import AS_IS
from training.confidence.margins import chance_for, groups_of, quantile, told_apart
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]
FEWEST_AGES = 8
#: A spread beside which no size matters.
_NO_MATTER = 1e6


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
    fetuses = len({(row.cohort, row.individual) for row in chosen})
    if fetuses < FEWEST_AGES:
        problem = f"good volumes of {fetuses} fetuses with age and true lengths are too few to estimate ages"
        remedy = f"give a simulated cohort of more, better hundreds ({FEWEST_AGES} at least)"
        raise FetaError("confidence", problem, remedy)
    known = [(row.volumes, _ageless(row), row.folding) for row in chosen]
    found = np.stack([inputs(*each) for each in known])
    unknown = np.isnan(found).all(axis=0)
    found[:, unknown] = 0.0
    centre = np.nanmean(found, axis=0)
    # Whoever has a size that no volume of the fit has is told nothing by it.
    spread = np.where(unknown, _NO_MATTER, np.maximum(np.nanstd(found, axis=0), 1e-3))
    weeks = np.array([row.age for row in chosen])
    ventricles = np.array([ventricles_part(row.volumes) for row in chosen])
    # Nobody's quality is expected to be below nothing: the halves of it are none of the age's groups.
    groups, none = groups_of(chosen, ventricles, 0.0), np.zeros(1 + OF_CASE)
    ages = float(weeks.min()), float(weeks.max())
    blank = AgeEstimator(centre, spread, np.zeros(COLUMNS), groups, Margins(none, none), ages)
    table = design(np.stack([blank.standardised(*each) for each in known]))
    coefficients, said = ridge(table[:, 1:], weeks)
    of_cases = zip(said, ventricles, strict=True)
    members = np.concatenate([groups.indicators(1, week, np.inf, wide) for week, wide in of_cases])
    margin = quantile(told_apart(members, fetuses), np.abs(weeks - said), chance_for(fetuses))
    return dataclasses.replace(blank, coefficients=coefficients, margins=Margins(margin, margin))


def _ageless(row: CaseRow) -> Array:
    assert row.ageless is not None
    return row.ageless.values
