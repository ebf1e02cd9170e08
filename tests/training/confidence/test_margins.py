"""Conformal margins of errors whose distribution is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.confidence.margins import Groups, Margins
from inference.confidence.quality_model import DICE_FLOOR, ERROR_LEAST, Figure
from tests.support.made_up_quality import made_up_rows
from training.confidence.causes import AS_IS
from training.confidence.margins import FEWEST_IN_GROUPS, fit_margins
from training.confidence.quality_table import Table

GROUPS = Groups((25.0, 31.0), 0.5, 0.0)
DICE = 0.5
PLAIN = [row for row in made_up_rows(60, seed=3) if row.cause == AS_IS]


def fitted(figure: Figure, over: np.ndarray) -> Margins:
    """Margins of rows whose errors are these (N, E), in units of what is expected of them."""
    table = Table.of(PLAIN)
    said = {f: np.full((len(PLAIN), f.elements), DICE if f is Figure.DICE else 0.0) for f in Figure}
    target = DICE + over * (DICE_FLOOR + 1 - DICE) if figure is Figure.DICE else np.log(over + ERROR_LEAST)
    table = replace(table, targets={**table.targets, figure: target.ravel()})
    return fit_margins(table, said, GROUPS, np.array([row.age for row in PLAIN]), figure)


def ends(figure: Figure, margins: Margins) -> tuple[np.ndarray, np.ndarray]:
    """(N, E) below and above of each row."""
    shown = [GROUPS.indicators(figure.elements, row.age, DICE, row.case["ventricles"]) for row in PLAIN]
    low, high = np.moveaxis(np.array([margins.of(each) for each in shown]), 1, 0)
    return low, high


def test_nine_of_ten_errors_of_a_size_lie_within_the_margin_of_each_length_and_third() -> None:
    over = np.random.default_rng(0).uniform(0, 1, (len(PLAIN), 5))
    _, high = ends(Figure.LENGTH, fitted(Figure.LENGTH, over))
    held = over <= high + 1e-6
    age = np.array([row.age for row in PLAIN])
    groups = [held, *held.T, held[age <= 25], held[(age > 25) & (age <= 31)], held[age > 31]]
    # One in sixty more than nine of ten; a quantile that is linear in groups may miss one or two of a group of twenty.
    assert all(0.87 <= each.mean() <= 1 for each in groups)
    assert held.mean() == pytest.approx(0.9 * 61 / 60, abs=0.02)
    assert high.mean() == pytest.approx(0.9 * 61 / 60, abs=0.06)


def test_of_dice_each_end_has_half_of_what_is_missed() -> None:
    """Errors between -0.2 and 0.8 are lopsided, and so are the margins."""
    over = np.random.default_rng(1).uniform(-0.2, 0.8, (len(PLAIN), 7))
    low, high = ends(Figure.DICE, fitted(Figure.DICE, over))
    for missed in (over < -low - 1e-6, over > high + 1e-6):
        assert missed.mean() == pytest.approx(1 - 0.95 * 61 / 60, abs=0.02)
    assert (low.mean(), high.mean()) == pytest.approx((0.15, 0.75), abs=0.06)


def test_what_has_no_truth_counts_for_nothing() -> None:
    over = np.random.default_rng(2).uniform(0, 1, (len(PLAIN), 5))
    unknown = over.copy()
    unknown[::2, 3] = np.nan
    assert np.isfinite(fitted(Figure.LENGTH, unknown).high).all()


@pytest.mark.parametrize(("individuals", "told"), [(FEWEST_IN_GROUPS - 1, False), (FEWEST_IN_GROUPS, True)])
def test_of_few_individuals_no_groups_are_told_apart(individuals: int, told: bool) -> None:
    """Errors grow with the age, by which the groups go."""
    rows = PLAIN[:individuals]
    age = np.array([row.age for row in rows])
    table = Table.of(rows)
    said = {f: np.full((len(rows), f.elements), DICE if f is Figure.DICE else 0.0) for f in Figure}
    over = np.repeat(0.1 + (age > GROUPS.weeks[0]) + (age > GROUPS.weeks[1]), 5).astype(np.float64)
    table = replace(table, targets={**table.targets, Figure.LENGTH: np.log(over + ERROR_LEAST)})
    margins = fit_margins(table, said, GROUPS, age, Figure.LENGTH)
    assert bool(np.abs(margins.high[5:]).max() > 0.5) is told
    assert (margins.high[:5] > 0).all() or told
