"""Bootstrap against ranking the resampled cohort itself; tests against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, wilcoxon

from evaluation.choices import RankingScheme
from evaluation.ranking import stability
from evaluation.ranking.schemes import (
    SCHEMES,
    biometry_units,
    final_scores,
    min_ranks,
    rank,
    segmentation_units,
    unit_scores,
)
from evaluation.ranking.stability import (
    Stability,
    biometry_significance,
    bootstrap,
    case_weights,
    holm,
    kendall_tau,
    segmentation_significance,
)
from evaluation.scoring.score_table import ScoreTable
from tests.support.made_up_scores import made_up_table, replaced


def resampled(table: ScoreTable, weights: np.ndarray) -> ScoreTable:
    """The cohort in which each case stands as often as it was drawn."""
    index = np.repeat(np.arange(len(table.cases)), weights.astype(int))
    by_team = {
        n: getattr(table, n)[:, index] for n in ("values", "reasons", "lengths", "length_errors", "length_reasons")
    }
    return replaced(
        table,
        cases=tuple(table.cases[i] for i in index),
        ed_floor=table.ed_floor[index],
        true_lengths=table.true_lengths[index],
        **by_team,
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sample_ranks_as_the_resampled_cohort_does(scheme: RankingScheme) -> None:
    table = made_up_table(5, 13, seed=3)
    truth, errors = table.true_lengths.copy(), table.length_errors.copy()
    truth[::3, 1], errors[:, ::3, 1] = np.nan, np.nan
    table = replaced(table, true_lengths=truth, length_errors=errors)
    weights = case_weights([c.site for c in table.cases], np.ones(13, bool), 20, seed=1)
    for task, units in enumerate((segmentation_units(table, scheme), biometry_units(table, scheme))):
        ranks = min_ranks(final_scores(unit_scores(units, weights)), axis=1)
        for row, weight in zip(ranks, weights, strict=True):
            expected = rank(resampled(table, weight), scheme)[task]
            assert expected is not None
            assert row.tolist() == expected.rank.tolist()


def test_samples_keep_the_size_of_each_site() -> None:
    sites = ["a"] * 5 + ["b"] * 3 + ["c"]
    weights = case_weights(sites, np.ones(9, bool), 200, seed=0)
    assert set(weights[:, :5].sum(axis=1)) == {5.0}
    assert set(weights[:, 5:8].sum(axis=1)) == {3.0}
    assert set(weights[:, 8]) == {1.0}
    assert len({tuple(row) for row in weights}) > 100


def test_cases_outside_the_group_are_never_drawn() -> None:
    members = np.array([True, False, True, False])
    weights = case_weights(["a", "a", "b", "b"], members, 50, seed=0)
    assert not weights[:, ~members].any()


def ranges(table: ScoreTable, seed: int = 0) -> tuple[list[int], list[int], np.ndarray]:
    units = segmentation_units(table, "paper")
    ranking = rank(table)[0]
    assert ranking is not None
    sites = [case.site for case in table.cases]
    found = bootstrap(units, sites, np.ones(len(sites), bool), ranking.rank, seed=seed)
    return found.low.tolist(), found.high.tolist(), found.frequency


def test_a_seed_gives_the_same_ranges_and_frequencies_sum_to_one() -> None:
    table = made_up_table(6, 9)
    assert ranges(table, 5)[:2] == ranges(table, 5)[:2]
    assert ranges(table)[2].sum(axis=1) == pytest.approx(1)


def test_a_team_that_is_best_in_every_case_is_first_in_every_sample() -> None:
    table = made_up_table(3, 9)
    values = table.values.copy()
    values[0, ..., :2], values[0, ..., 2:] = 1, 0
    low, high, frequency = ranges(replaced(table, values=values))
    assert (low[0], high[0], frequency[0, 0]) == (1, 1, 1.0)


def found_by(table: ScoreTable, sites: list[str]) -> Stability:
    ranking = rank(table)[0]
    assert ranking is not None
    units = segmentation_units(table, "paper")
    return bootstrap(units, sites, np.ones(len(sites), bool), ranking.rank)


@pytest.mark.parametrize(
    ("sites", "told", "fixed"),
    [
        (["a", "b", "c"], False, ("a", "b", "c")),
        (["a"], False, ("a",)),
        (["a", "a", "b"], True, ("b",)),
        (["a", "a", "b", "b"], True, ()),
    ],
)
def test_what_samples_cannot_vary_is_not_told(sites: list[str], told: bool, fixed: tuple[str, ...]) -> None:
    found = found_by(made_up_table(3, len(sites)), sites)
    assert (found.told, found.fixed) == (told, fixed)


def test_cases_without_a_true_map_are_none_that_samples_could_vary() -> None:
    """Two cases a site, of which one counts: the samples that can be ranked are all the same."""
    table = made_up_table(3, 4)
    values, floor = table.values.copy(), table.ed_floor.copy()
    values[:, [1, 3]], floor[[1, 3]] = np.nan, np.nan
    assert not found_by(replaced(table, values=values, ed_floor=floor), ["a", "a", "b", "b"]).told


def test_a_team_alone_is_the_first_whatever_is_drawn() -> None:
    assert found_by(made_up_table(1, 1), ["a"]).told


@given(st.lists(st.integers(1, 5), min_size=2, max_size=8), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_kendalls_tau_equals_scipys(reference: list[int], seed: int) -> None:
    """By pairs, and by sorting, as of many teams."""
    other = np.random.default_rng(seed).integers(1, 5, len(reference))
    expected = kendalltau(other, reference).statistic
    if np.isnan(expected):
        expected = float(len(set(reference)) == 1 and len(set(other.tolist())) == 1)
    for few in (64, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stability, "_FEW", few)
            assert kendall_tau(other[None], np.array(reference))[0] == pytest.approx(expected)


def test_a_bootstrap_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_up_table(5, 12)
    whole = found_by(table, [case.site for case in table.cases])
    monkeypatch.setattr(stability, "_AT_ONCE", 50)
    pieces = found_by(table, [case.site for case in table.cases])
    assert (whole.low.tolist(), whole.high.tolist()) == (pieces.low.tolist(), pieces.high.tolist())
    np.testing.assert_array_equal(whole.frequency, pieces.frequency)
    np.testing.assert_array_equal(whole.tau, pieces.tau)


def test_holm_steps_down() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).size == 0


def test_significance_is_wilcoxons_with_the_right_side_better() -> None:
    table = made_up_table(3, 20)
    dice = table.values[..., 0].mean(axis=2)
    raw = {
        (a, b): wilcoxon(dice[a], dice[b], alternative="greater").pvalue for a in range(3) for b in range(3) if a != b
    }
    found = segmentation_significance(table)[0]
    assert found.metric == "dice"
    adjusted = holm(np.array(list(raw.values())))
    assert [found.p[pair] for pair in raw] == pytest.approx(adjusted.tolist())
    assert found.better[0, 2]
    assert not found.better[2, 0]


def test_equal_teams_are_not_significantly_better() -> None:
    table = made_up_table(2, 10)
    equal = replaced(
        table,
        values=np.repeat(table.values[:1], 2, axis=0),
        length_errors=np.repeat(table.length_errors[:1], 2, axis=0),
    )
    lengths = biometry_significance(equal)
    assert lengths is not None
    for test in (*segmentation_significance(equal), lengths):
        assert not test.better.any()


def test_one_team_has_nobody_to_be_compared_with() -> None:
    assert segmentation_significance(made_up_table(1, 4))[0].p.tolist() == [[1.0]]
