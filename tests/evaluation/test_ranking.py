"""Schemes by hand, against plain loops, and the promise that nothing is won by leaving something out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import made_up_table, replaced
from scipy.stats import rankdata

from evaluation.policy import default_policy, fill_lengths, fill_topology
from evaluation.ranking import SCHEMES, Scheme, as_costs, min_ranks, rank
from evaluation.table import ScoreTable

DIAGONAL = 221.7


def test_paper_scheme_ranks_the_means_and_averages_the_ranks() -> None:
    table = made_up_table(5, 11)
    costs = as_costs(table).mean(axis=(1, 2))
    expected = rankdata(costs, method="min", axis=0).mean(axis=1)
    segmentation, _ = rank(table)
    assert segmentation is not None
    assert segmentation.score.tolist() == expected.tolist()
    assert segmentation.rank.tolist() == rankdata(expected, method="min").tolist()


def test_per_case_scheme_ranks_first() -> None:
    table = made_up_table(5, 11)
    expected = rankdata(as_costs(table), method="min", axis=0).mean(axis=(1, 2, 3))
    segmentation, _ = rank(table, "per-case")
    assert segmentation is not None
    assert segmentation.score == pytest.approx(expected)
    assert segmentation.rank.tolist() == rankdata(expected, method="min").tolist()


def test_per_label_scheme_adds_up_the_ranks_within_labels() -> None:
    table = made_up_table(5, 11)
    summed = rankdata(as_costs(table).mean(axis=1), method="min", axis=0).sum(axis=(1, 2))
    segmentation, _ = rank(table, "per-label")
    assert segmentation is not None
    assert segmentation.rank.tolist() == rankdata(summed, method="min").tolist()
    assert segmentation.score * 28 == pytest.approx(summed)


def test_biometry_pools_all_pairs_whose_truth_exists() -> None:
    table = made_up_table(3, 6)
    truth, errors = table.true_lengths.copy(), table.length_errors.copy()
    truth[:4, 0], errors[:, :4, 0] = np.nan, np.nan
    _, biometry = rank(replaced(table, true_lengths=truth, length_errors=errors))
    assert biometry is not None
    assert biometry.score == pytest.approx([np.nanmean(errors[t]) for t in range(3)])
    assert biometry.score[0] != pytest.approx(np.nanmean(np.nanmean(errors[0], axis=0)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_cohort_without_true_lengths_has_no_biometry_ranking(scheme: Scheme) -> None:
    table = made_up_table(3, 6)
    nothing = replaced(
        table, true_lengths=np.full((6, 5), np.nan), length_errors=np.full(table.length_errors.shape, np.nan)
    )
    segmentation, biometry = rank(nothing, scheme)
    assert segmentation is not None
    assert biometry is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_length_that_no_case_has_changes_nothing(scheme: Scheme) -> None:
    table = made_up_table(4, 6)
    truth, errors = table.true_lengths.copy(), table.length_errors.copy()
    truth[:, 2], errors[..., 2] = np.nan, np.nan
    _, biometry = rank(replaced(table, true_lengths=truth, length_errors=errors), scheme)
    assert biometry is not None
    assert np.isfinite(biometry.score).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cases", [3, 180])
def test_equal_teams_tie_whatever_the_order_of_sums(scheme: Scheme, cases: int) -> None:
    table = made_up_table(1, cases)
    copies = replaced(
        table,
        teams=tuple("abcdefg"),
        **{name: np.repeat(getattr(table, name), 7, axis=0)
           for name in ("values", "reasons", "lengths", "length_errors", "length_reasons")},
    )  # fmt: skip
    for ranking in rank(copies, scheme):
        assert ranking is not None
        assert ranking.rank.tolist() == [1] * 7


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12))
def test_min_ranks_equal_scipys(values: list[float]) -> None:
    whole = np.round(values)  # beyond 12 digits values count as equal, on purpose
    assert min_ranks(whole).tolist() == rankdata(whole, method="min").tolist()


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from(SCHEMES))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_teams_changes_no_rank(teams: int, cases: int, seed: int, scheme: Scheme) -> None:
    table = made_up_table(teams, cases, seed)
    turned = replaced(
        table,
        teams=table.teams[::-1],
        **{name: getattr(table, name)[::-1]
           for name in ("values", "reasons", "lengths", "length_errors", "length_reasons")},
    )  # fmt: skip
    for one, other in zip(rank(table, scheme), rank(turned, scheme), strict=True):
        assert one is not None
        assert other is not None
        assert one.rank.tolist() == other.rank[::-1].tolist()


@st.composite
def measured_tables(draw: st.DrawFn) -> tuple[ScoreTable, np.ndarray]:
    """Measurements, and which of the first team's cells it leaves out: (C, 7) labels.

    The first team's own ED and length error are within what the penalty is at least (1000; 100 %),
    or within what another team measured: beyond both, no penalty of the specified kind can be worse.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    teams, cases = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    table = made_up_table(teams, cases, seed)
    shape = (teams, cases, 7)
    rough = generator.choice([1.0, 10.0, 100.0])
    values = np.stack(
        [
            generator.integers(0, 5, shape) / 4,
            generator.integers(0, 5, shape) / 4,
            generator.integers(0, 5, shape) * DIAGONAL / 4,
            *(generator.integers(0, 40, shape) * rough for _ in range(4)),
        ],
        axis=-1,
    )
    values[0, ..., 3:] = np.minimum(values[0, ..., 3:], np.maximum(1000, values[1:, ..., 3:].max(axis=0, initial=0)))
    errors = generator.integers(0, 6, table.length_errors.shape) * generator.choice([10.0, 60.0])
    errors[0] = np.minimum(errors[0], np.maximum(100, errors[1:].max(axis=0, initial=0)))
    absent = generator.random((cases, 7)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    return replaced(table, values=values, length_errors=errors), absent


def without(table: ScoreTable, absent: np.ndarray) -> ScoreTable:
    """The table in which the first team lacks labels (C, 7), and as many lengths (C, 5)."""
    values, errors = table.values.copy(), table.length_errors.copy()
    values[0][absent] = [0, 0, DIAGONAL, np.nan, np.nan, np.nan, np.nan]
    errors[0][absent[:, :5]] = np.nan
    fill_topology(values, default_policy())
    fill_lengths(errors, np.isfinite(table.true_lengths), default_policy())
    return replaced(table, values=values, length_errors=errors)


@given(measured_tables())
@settings(max_examples=150, deadline=None)
def test_nothing_left_out_improves_a_score_or_a_rank(drawn: tuple[ScoreTable, np.ndarray]) -> None:
    """Absent labels, a missing case (all labels absent), missing lengths: every metric and scheme."""
    table, absent = drawn
    less = without(table, absent)
    assert (as_costs(less)[0] >= as_costs(table)[0]).all()
    assert (less.values[0, ..., 3:] >= table.values[0, ..., 3:]).all()
    assert (less.length_errors[0] >= table.length_errors[0]).all()
    for scheme in SCHEMES:
        for before, after in zip(rank(table, scheme), rank(less, scheme), strict=True):
            assert before is not None
            assert after is not None
            assert after.rank[0] >= before.rank[0]
