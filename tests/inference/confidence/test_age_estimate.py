"""The age that an image shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.confidence.age_estimate import AgeEstimator, age_estimator_from, design

VOLUMES, LENGTHS = np.array([60.0, 50, 80, 8, 6, 10, 4]), np.array([36.0, 17, 72, 80, 34])
#: 28 weeks, and one more for each e-fold of the grey matter.
SLOPE = np.concatenate([[28.0], np.eye(24)[1]])


def estimator() -> AgeEstimator:
    centre = np.log(np.concatenate([VOLUMES, LENGTHS]))
    return AgeEstimator(centre, np.ones(12), SLOPE, -1.0, 1.5)


def test_a_brain_as_large_as_those_of_the_fit_is_as_old() -> None:
    found = estimator().estimate(VOLUMES, LENGTHS)
    assert found is not None
    assert (found.weeks, found.low, found.high) == pytest.approx((28.0, 27.0, 29.5))


def test_more_grey_matter_is_older_by_the_slope() -> None:
    found = estimator().estimate(VOLUMES * np.where(np.arange(7) == 1, np.e, 1), LENGTHS)
    assert found is not None
    assert found.weeks == pytest.approx(29.0)


def test_without_a_brain_or_with_two_lengths_there_is_no_age() -> None:
    assert estimator().estimate(np.zeros(7), LENGTHS) is None
    assert estimator().estimate(VOLUMES, np.where(np.arange(5) < 3, np.nan, LENGTHS)) is None


@given(st.lists(st.floats(0, 1e6), min_size=7, max_size=7).filter(any))
def test_no_volumes_give_an_age_beyond_what_three_standard_deviations_do(volumes: list[float]) -> None:
    found = estimator().estimate(np.array(volumes), LENGTHS)
    assert found is not None
    assert 25 <= found.weeks <= 31


def test_the_design_has_a_constant_each_and_each_squared() -> None:
    row = np.arange(12.0)
    assert design(row[None])[0].tolist() == [1.0, *row, *(row**2)]


def test_what_is_written_is_read_again() -> None:
    again = age_estimator_from(estimator().plain())
    first, second = (each.estimate(VOLUMES * 1.1, LENGTHS) for each in (again, estimator()))
    assert first is not None
    assert second is not None
    assert first.weeks == pytest.approx(second.weeks, abs=1e-3)
