"""Schemes by hand and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from evaluation.choices import RankingScheme
from evaluation.ranking.schemes import SCHEMES, as_costs, min_ranks, rank
from tests.support.made_up_scores import made_up_table, replaced


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
def test_a_cohort_without_true_lengths_has_no_biometry_ranking(scheme: RankingScheme) -> None:
    table = made_up_table(3, 6)
    nothing = replaced(
        table, true_lengths=np.full((6, 5), np.nan), length_errors=np.full(table.length_errors.shape, np.nan)
    )
    segmentation, biometry = rank(nothing, scheme)
    assert segmentation is not None
    assert biometry is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_length_that_no_case_has_changes_nothing(scheme: RankingScheme) -> None:
    table = made_up_table(4, 6)
    truth, errors = table.true_lengths.copy(), table.length_errors.copy()
    truth[:, 2], errors[..., 2] = np.nan, np.nan
    _, biometry = rank(replaced(table, true_lengths=truth, length_errors=errors), scheme)
    assert biometry is not None
    assert np.isfinite(biometry.score).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cases", [3, 180])
def test_equal_teams_tie_whatever_the_order_of_sums(scheme: RankingScheme, cases: int) -> None:
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
def test_a_rank_is_one_more_than_how_many_are_smaller(values: list[float]) -> None:
    whole = np.round(values)  # beyond 12 digits values count as equal, on purpose
    assert min_ranks(whole).tolist() == [1 + sum(other < value for other in whole) for value in whole]


def test_what_is_not_known_moves_no_rank() -> None:
    assert min_ranks([3.0, np.nan, 1.0, 3.0]).tolist() == [2, 1, 1, 2]


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from(SCHEMES))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_teams_changes_no_rank(teams: int, cases: int, seed: int, scheme: RankingScheme) -> None:
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
