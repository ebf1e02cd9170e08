"""Several estimates made into one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from inference.biometry.robust_fusion import Mixture, combine

numbers = st.floats(-3, 3)
spreads = st.floats(0.05, 2)
NEVER = 1e-300


def both(estimates: list[float], sds: list[float], wrong: float = 0.05, correlation: float = 0.0):
    n = len(estimates)
    covariance = np.outer(sds, sds) * (correlation + (1 - correlation) * np.eye(n))
    return combine(np.array(estimates), covariance, np.full(n, wrong), np.full(n, 5.0))


@given(numbers, spreads)
def test_one_estimate_is_the_answer(value: float, sd: float) -> None:
    result = both([value], [sd])
    assert result.distribution.quantile(0.5) == pytest.approx(value, abs=1e-6)
    assert result.shares == pytest.approx([1.0])


@given(numbers, st.floats(-4, 4), spreads, spreads)
def test_two_that_are_never_wrong_weigh_by_precision(a: float, apart: float, sd_a: float, sd_b: float) -> None:
    # Never is a small chance, by which estimates that lie far enough apart are still explained best.
    b = a + apart * np.hypot(sd_a, sd_b)
    result = both([a, b], [sd_a, sd_b], NEVER)
    share = sd_b**2 / (sd_a**2 + sd_b**2)
    assert result.shares[0] == pytest.approx(share, abs=1e-3)


def test_errors_that_go_together_count_once() -> None:
    apart, together = (both([0.0, 0.0], [0.1, 0.1], NEVER, c).distribution for c in (0.0, 0.99))
    assert apart.quantile(0.95) == pytest.approx(norm.ppf(0.95) * 0.1 / np.sqrt(2), rel=1e-3)
    assert together.quantile(0.95) == pytest.approx(norm.ppf(0.95) * 0.1, rel=0.01)


@settings(max_examples=30)
@given(st.lists(numbers, min_size=2, max_size=4), st.floats(-5, 5))
def test_a_shift_of_all_shifts_the_answer(estimates: list[float], by: float) -> None:
    sds = [0.1, 0.2, 0.3, 0.4][: len(estimates)]
    here, there = (both([e + s for e in estimates], sds).distribution for s in (0.0, by))
    assert there.quantile(0.3) == pytest.approx(here.quantile(0.3) + by, abs=1e-6)


def test_the_one_that_contradicts_two_others_is_left_out() -> None:
    result = both([0.0, 0.01, 0.5], [0.05, 0.05, 0.05])
    assert result.distribution.quantile(0.5) == pytest.approx(0.005, abs=0.02)
    assert result.shares[2] < 0.05


def test_of_two_that_contradict_each_other_the_surer_is_believed() -> None:
    result = both([0.0, 1.0], [0.02, 0.2])
    assert result.distribution.quantile(0.5) == pytest.approx(0.0, abs=0.05)


def test_disagreement_widens_the_interval() -> None:
    def width(apart: float) -> float:
        found = both([0.0, apart], [0.05, 0.05]).distribution
        return found.quantile(0.95) - found.quantile(0.05)

    assert width(0.3) > 1.5 * width(0.0)


@given(st.lists(st.tuples(st.floats(0.1, 1), numbers, spreads), min_size=1, max_size=4), st.floats(0.02, 0.98))
def test_a_quantile_is_where_the_chance_is_reached(parts: list[tuple[float, float, float]], chance: float) -> None:
    weights, means, sds = np.array(parts).T
    mixture = Mixture(weights / weights.sum(), means, sds)
    assert mixture.cdf(mixture.quantile(chance)) == pytest.approx(chance, abs=1e-6)


def test_intervals_hold_what_they_say() -> None:
    """Estimates drawn as the model says: wrong now and then, and independent."""
    rng = np.random.default_rng(3)
    held = []
    for _ in range(400):
        off = rng.random(3) < 0.1
        found = combine(rng.normal(0, [0.1, 0.2, 0.1]) * np.where(off, 5, 1), np.diag([0.01, 0.04, 0.01]),
                        np.full(3, 0.1), np.full(3, 5.0)).distribution  # fmt: skip
        held.append(found.quantile(0.05) <= 0 <= found.quantile(0.95))
    assert 0.86 < np.mean(held) < 0.94
