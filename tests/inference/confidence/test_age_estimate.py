"""The age that an image shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feta.participants import OLDEST_WEEKS, YOUNGEST_WEEKS
from inference.confidence.age_estimate import COLUMNS, LEAST_ML, AgeEstimator, age_estimator_from, design
from inference.confidence.margins import Groups, Margins

VOLUMES, LENGTHS, FOLDING = np.array([60.0, 50, 80, 8, 6, 10, 4]), np.array([36.0, 17, 72, 80, 34]), 2.1
#: Columns of the design: grey matter, folding, folding times grey matter.
GREY, FOLDS, BOTH = 2, 13, 28
GREYER = VOLUMES * np.where(np.arange(7) == 1, np.e, 1)


def estimator(folds: float = 0.0, both: float = 0.0) -> AgeEstimator:
    """28 weeks, and one more for each e-fold of the grey matter; so many for folding and for folding times grey."""
    coefficients = np.zeros(COLUMNS)
    coefficients[[0, GREY, FOLDS, BOTH]] = 28.0, 1.0, folds, both
    return made(coefficients)


def made(coefficients: np.ndarray) -> AgeEstimator:
    """From 1 week below to 1.5 above; above 29 weeks by 0.5 wider, with wide ventricles by 2."""
    centre = np.append(np.log(np.concatenate([VOLUMES, LENGTHS])), FOLDING)
    low, high = (np.array([usual, 0.0, 0.5, 0.0, 2.0]) for usual in (1.0, 1.5))
    return AgeEstimator(
        centre, np.ones(13), coefficients, Groups((25.0, 29.0), 0.0, np.log(0.1)), Margins(low, high), (21.0, 35.0)
    )


def weeks(of: AgeEstimator, volumes: np.ndarray = VOLUMES, folding: float = FOLDING) -> float:
    found = of.estimate(volumes, LENGTHS, folding)
    assert found is not None
    return found.weeks


def test_a_brain_as_large_as_those_of_the_fit_is_as_old() -> None:
    found = estimator().estimate(VOLUMES, LENGTHS, FOLDING)
    assert found is not None
    assert (found.weeks, found.low, found.high) == pytest.approx((28.0, 27.0, 29.5))


def half(of: AgeEstimator, volumes: np.ndarray = VOLUMES) -> float:
    """Weeks from the estimate to the older end."""
    found = of.estimate(volumes, LENGTHS, FOLDING)
    assert found is not None
    return found.high - found.weeks


def test_the_interval_is_wider_in_the_last_third_of_the_ages() -> None:
    older = made(np.array([29.1] + [0.0] * 38))
    assert half(older) == pytest.approx(2.0)


def test_the_interval_is_wider_where_ventricles_are_wide() -> None:
    volumes = VOLUMES + np.array([0, 0, 0, 20, 0, 0, 0])
    assert half(made(np.array([28.0] + [0.0] * 38)), volumes) == pytest.approx(3.5)


def test_the_interval_is_wider_beyond_the_ages_of_the_fit() -> None:
    assert half(made(np.array([37.0] + [0.0] * 38))) == pytest.approx(2.0 * 1.2)
    assert half(made(np.array([20.0] + [0.0] * 38))) == pytest.approx(1.5 * 1.1)


def test_more_grey_matter_is_older_by_the_slope() -> None:
    assert weeks(estimator(), GREYER) == pytest.approx(29.0)


def test_more_folds_are_older_by_the_slope() -> None:
    assert weeks(estimator(folds=2.0), folding=FOLDING + 0.5) == pytest.approx(29.0)


def test_the_more_folds_the_more_or_less_a_size_tells() -> None:
    assert weeks(estimator(both=2.0), GREYER, FOLDING + 0.5) - weeks(
        estimator(both=2.0), folding=FOLDING + 0.5
    ) == pytest.approx(2.0)


@given(st.floats(-1.5, 1.5))
def test_unknown_folds_are_as_many_as_is_usual_at_that_size(larger: float) -> None:
    """All sizes larger by e to a power: by as many spreads the folding is taken to be larger."""
    volumes, lengths = VOLUMES * np.exp(larger), LENGTHS * np.exp(larger)
    found = estimator(folds=2.0).estimate(volumes, lengths, float("nan"))
    assert found is not None
    assert found.weeks == pytest.approx(28 + 3 * larger)


@given(st.floats(-3, 3))
def test_the_age_by_size_is_the_same_whatever_the_folds(folds: float) -> None:
    usual, other = (estimator(2.0, 1.0).estimate(GREYER, LENGTHS, FOLDING + f) for f in (0.0, folds))
    assert usual is not None
    assert other is not None
    assert other.by_size == usual.by_size


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_voxels_of_a_wrong_size_move_the_age_by_size_more_than_that_which_knows_folds(scale: float) -> None:
    """A wrong size leaves the folds as they are."""
    both = made(np.array([28.0] + [1.0] * 12 + [12.0] + [0.0] * 25))
    found = both.estimate(VOLUMES * scale**3, LENGTHS * scale, FOLDING)
    assert found is not None
    assert abs(found.by_size - 28) > 1.2 * abs(found.weeks - 28) > 0


def test_an_unknown_length_changes_nothing_in_a_brain_of_usual_size() -> None:
    coefficients = np.append(28.0, np.ones(COLUMNS - 1))
    every = made(coefficients)
    found = every.estimate(VOLUMES, np.where(np.arange(5) < 2, np.nan, LENGTHS), FOLDING)
    assert found is not None
    assert found.weeks == pytest.approx(28.0)


@pytest.mark.parametrize("left", [0.0, 0.99 * LEAST_ML])
@pytest.mark.parametrize("tissue", range(7))
def test_a_tissue_that_was_not_found_is_as_large_as_the_others_are(tissue: int, left: float) -> None:
    every = made(np.append(28.0, np.ones(COLUMNS - 1)))
    larger = np.exp(0.3) * VOLUMES
    assert weeks(every, np.where(np.arange(7) == tissue, left, larger)) == pytest.approx(weeks(every, larger))


def test_of_traces_of_tissues_no_age_is_told() -> None:
    assert estimator().estimate(np.full(7, 0.9 * LEAST_ML), LENGTHS, FOLDING) is None


@pytest.mark.parametrize(("slope", "told"), [(30.0, OLDEST_WEEKS), (-30.0, YOUNGEST_WEEKS)])
def test_no_age_is_told_that_no_fetus_has(slope: float, told: float) -> None:
    found = estimator(folds=slope).estimate(VOLUMES, LENGTHS, FOLDING + 2)
    assert found is not None
    assert found.weeks == told
    assert found.low < told < found.high


def test_without_a_brain_or_with_two_lengths_there_is_no_age() -> None:
    assert estimator().estimate(np.zeros(7), LENGTHS, FOLDING) is None
    assert estimator().estimate(VOLUMES, np.where(np.arange(5) < 3, np.nan, LENGTHS), FOLDING) is None


@given(
    st.lists(st.floats(0, 1e6), min_size=7, max_size=7).filter(lambda v: max(v) >= LEAST_ML),
    st.floats(-1e3, 1e3) | st.just(np.nan),
)
def test_no_volumes_and_folds_give_an_age_beyond_what_three_standard_deviations_do(
    volumes: list[float], folding: float
) -> None:
    assert 22 <= weeks(estimator(folds=1.0), np.array(volumes), folding) <= 34


def test_the_design_has_a_constant_each_each_squared_and_the_last_times_each_other() -> None:
    row = np.arange(1.0, 14)
    assert design(row[None])[0].tolist() == [1.0, *row, *(row**2), *(row[-1] * row[:-1])]


def test_what_is_written_is_read_again() -> None:
    again = age_estimator_from(estimator(1.5, 0.7).plain())
    first, second = (weeks(each, VOLUMES * 1.1, 2.2) for each in (again, estimator(1.5, 0.7)))
    assert first == pytest.approx(second, abs=1e-3)


def test_what_knows_no_folding_is_refused() -> None:
    plain = estimator().plain()
    with pytest.raises(ValueError, match="centre must be 13 numbers"):
        age_estimator_from({**plain, "centre": plain["centre"][:12]})
