"""Lengths by a straight line in gestational age, the challenge's reference, on simulated fetuses without images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feta.measurements import MEASUREMENTS
from training.anatomy.plan import IndividualSettings, draw_plan

Array = npt.NDArray[np.float64]
#: Simulated fetuses whose lengths the line is fitted on, none of them in a cohort, and the seed they are drawn with.
LINE_FETUSES, LINE_SEED = 200, 1
#: Ages in weeks between which fetuses are drawn, and every how many is pathological: as in a cohort.
_AGES, _PATHOLOGICAL = (20.5, 36.0), 3


def age_lines(settings: IndividualSettings) -> Array:
    """(5, 2) slope and intercept of the straight line in age through independent simulated fetuses' lengths."""
    ages, lengths = draw_table(LINE_SEED, LINE_FETUSES, settings)
    return np.array([np.polyfit(ages, column, 1) for column in lengths.T])


def draw_table(seed: int, count: int, settings: IndividualSettings) -> tuple[Array, Array]:
    """Ages (N,) in weeks and lengths (N, 5) in mm of random fetuses, a third of them pathological."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(*_AGES, count)
    rows = []
    for i, age in enumerate(ages):
        plan = draw_plan(rng, float(age), i % _PATHOLOGICAL == _PATHOLOGICAL - 1, settings)
        rows.append([plan.lengths[m] for m in MEASUREMENTS])
    return ages, np.array(rows)


def score_line(fitted: tuple[Array, Array], scored: tuple[Array, Array]) -> Array:
    """Absolute percentage errors (N, 5) on one table of the lines that fit another best."""
    ages, lengths = scored
    lines: Sequence[Array] = [np.polyfit(fitted[0], column, 1) for column in fitted[1].T]
    predicted = np.stack([np.polyval(line, ages) for line in lines], axis=1)
    return np.asarray(100 * np.abs(predicted - lengths) / lengths)
