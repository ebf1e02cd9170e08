"""Sizes, their null, and what the forest explains, on tables whose effects are set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.analysis.domain_shift import analyse, quality_by_site
from evaluation.analysis.effects import (
    EffectEstimator,
    effect_estimator,
    effect_of,
    is_seen,
    level_means,
    shape,
    smallest_visible,
    spread,
)
from evaluation.analysis.factors import PATHOLOGY, QUALITY, SITE, Factor, Levels, category, levels_of
from evaluation.analysis.forest import ForestSettings, cross_validated_r2, design_of, explain, grow, out_of_bag
from evaluation.analysis.simulated import SetEffects, simulated_study
from evaluation.analysis.study import Study
from evaluation.ranking.groups import EVERYWHERE
from feta.errors import FetaError

NOTHING = SetEffects(0.0, 0.0, 0.0, 0.0)


def estimator_of(study: Study, *names: str, seed: int = 0) -> EffectEstimator:
    factors = [factor for factor in study.factors if not names or factor.name in names]
    return effect_estimator(factors, ForestSettings(seed=seed))


def test_shap_values_of_all_factors_and_the_mean_add_up_to_the_prediction() -> None:
    study = simulated_study(90, SetEffects(), 0)
    estimator = estimator_of(study)
    forest = grow(estimator.design, study.targets["dice"], estimator.settings)
    predicted = forest.predict(estimator.design.matrix)
    rest = predicted - explain(forest, estimator.design, np.arange(90)).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)


def test_a_category_has_a_column_for_each_name_and_two_names_share_one() -> None:
    design = design_of([category("a", ["x", "y", "z"]), category("b", ["x", "y", "x"]), Factor("c", np.arange(3.0))])
    assert design.owner.tolist() == [0, 0, 0, 1, 2]
    assert design.matrix.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 1, 0, 2]]
    assert design.without(0).owner.tolist() == [1, 2]


@pytest.mark.parametrize("seed", [0, 1])
def test_set_effects_of_the_paper_s_sizes_are_recovered_in_order(seed: int) -> None:
    study = simulated_study(2000, SetEffects(), seed)
    estimator = estimator_of(study, seed=seed)
    shap = estimator.shap(study.targets["dice"])
    sizes = [spread(level_means(shap[:, k], estimator.levels[k])) for k in range(4)]
    quality, age, pathology, site = sizes
    for size, wanted in ((quality, 0.10), (site, 0.075), (age, 0.05)):
        assert abs(size / wanted - 1) < 0.3
    assert quality > site > age > pathology


def test_a_strong_effect_is_seen_and_the_quick_way_agrees() -> None:
    study = simulated_study(80, SetEffects(quality=0.3, age=0.0, site=0.0), 3)
    estimator = estimator_of(study, QUALITY)
    dice = study.targets["dice"]
    effect = effect_of(estimator, dice, estimator.shap(dice), 0, permutations=19)
    assert effect.seen
    assert effect.p == pytest.approx(0.05)
    assert effect.size > effect.threshold == effect.null.max()
    assert float(effect.extremes()[0]) < 2 < float(effect.extremes()[1])
    assert is_seen(estimator, dice, 0, permutations=19)


@pytest.mark.parametrize("seed", range(3))
def test_the_quick_way_agrees_where_there_is_nothing(seed: int) -> None:
    study = simulated_study(40, NOTHING, seed)
    estimator = estimator_of(study, PATHOLOGY, seed=seed)
    dice = study.targets["dice"]
    effect = effect_of(estimator, dice, estimator.shap(dice), 0, permutations=19)
    assert is_seen(estimator, dice, 0, permutations=19) == effect.seen == (effect.p <= 0.05)


def test_too_few_permutations_see_nothing() -> None:
    study = simulated_study(40, SetEffects(), 0)
    estimator = estimator_of(study)
    effect = effect_of(
        estimator, study.targets["dice"], estimator.shap(study.targets["dice"]), 0, permutations=3, visible=True
    )
    assert not effect.seen
    assert effect.visible is None
    assert not is_seen(estimator, study.targets["dice"], 0, permutations=3)


def test_what_goes_along_with_another_factor_gets_no_credit() -> None:
    """Quality follows the site, the site alone has an effect: at most one of six tables may call quality seen."""
    seen = 0
    for seed in range(6):
        study = simulated_study(120, SetEffects(quality=0.0, age=0.0, site=0.1, confounded=True), seed)
        estimator = estimator_of(study, QUALITY, SITE, seed=seed)
        seen += is_seen(estimator, study.targets["dice"], 0, permutations=39)
    assert seen <= 1


def test_out_of_bag_predictions_do_not_follow_the_noise() -> None:
    noise = np.random.default_rng(0).normal(size=80)
    design = design_of([Factor("x", np.arange(80.0))])
    seen = grow(design, noise, ForestSettings()).predict(design.matrix)
    unseen = out_of_bag(design, noise, ForestSettings())
    assert np.corrcoef(seen, noise)[0, 1] > 0.4 > np.corrcoef(unseen, noise)[0, 1]
    assert set(out_of_bag(design.without(0), noise, ForestSettings())) == {noise.mean()}


def test_a_subject_s_volumes_do_not_explain_each_other() -> None:
    """Each subject has a number of its own and two volumes: nothing is left to explain for unseen subjects."""
    generator = np.random.default_rng(1)
    own = np.repeat(generator.normal(size=50), 2)
    design = design_of([Factor("subject", np.repeat(generator.permutation(50), 2).astype(float))])
    settings = ForestSettings(smallest_leaf=1)
    subjects = [f"sub-{i // 2}" for i in range(100)]
    assert cross_validated_r2(design, own, subjects, settings) < 0.1
    assert cross_validated_r2(design, own, [f"sub-{i}" for i in range(100)], settings) > 0.5


def test_r2_of_a_straight_line_and_of_nothing() -> None:
    x = np.linspace(0, 1, 100)
    subjects = [f"sub-{i}" for i in range(100)]
    design = design_of([Factor("x", x)])
    assert cross_validated_r2(design, 3 * x, subjects, ForestSettings()) > 0.9
    assert cross_validated_r2(design, np.ones(100), subjects, ForestSettings()) == 0.0
    assert cross_validated_r2(design, 3 * x, ["sub-1"] * 100, ForestSettings()) == 0.0


def test_level_means_leave_small_levels_out() -> None:
    levels = Levels(("a", "b", "c"), np.array([0, 0, 0, 1, 1, 1, 2]))
    means = level_means(np.array([1.0, 2, 3, 5, 5, 5, 99]), levels)
    assert means[:2].tolist() == [2, 5]
    assert np.isnan(means[2])
    assert spread(means) == 3
    assert spread(np.array([np.nan])) == 0


def test_levels_that_are_all_small_have_no_extremes() -> None:
    study = simulated_study(40, NOTHING, 0)
    estimator = effect_estimator([category("a", [str(i // 2) for i in range(40)])], ForestSettings())
    dice = study.targets["dice"]
    effect = effect_of(estimator, dice, estimator.shap(dice), 0, permutations=1, visible=True)
    assert (effect.size, effect.extremes(), effect.seen) == (0, ("–", "–"), False)


def test_levels_of_many_numbers_are_ten_groups_of_like_size() -> None:
    levels = levels_of(Factor("x", np.random.default_rng(0).permutation(200).astype(float)))
    assert np.bincount(levels.member).tolist() == [20] * 10
    assert levels.names[0] == "0.0–19.0"
    few = levels_of(Factor(QUALITY, np.array([1.5, 0, 4, 0])))
    assert few.names == ("0", "1.5", "4")
    assert few.member.tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    "factor", [Factor("x", np.array([2.0, 7, 4])), category("c", ["u", "v", "w", "u"])], ids=["number", "category"]
)
def test_an_added_effect_reaches_from_minus_to_plus_a_half(factor: Factor) -> None:
    added = shape(factor, np.random.default_rng(0))
    assert (added.min(), added.max()) == (-0.5, 0.5)


def test_the_smallest_visible_effect_is_the_first_that_is_seen_often_enough() -> None:
    def dealt(extra: np.ndarray) -> float:
        return 0.5 * float(np.ptp(extra))  # a forest that shrinks by half

    factor = Factor("x", np.arange(10.0))
    assert smallest_visible(factor, 0.01, dealt, 0) == pytest.approx(0.03)
    assert smallest_visible(factor, 0.01, lambda extra: 0.0, 0) is None
    assert smallest_visible(factor, float("inf"), dealt, 0) is None


def test_a_table_of_noise_is_said_to_explain_nothing() -> None:
    study = simulated_study(60, NOTHING, 1)
    analysis = analyse(study, ForestSettings(), permutations=1, visible=False)
    assert analysis.shifts[0].explains_nothing
    assert any("explains nothing" in line for line in analysis.warnings)


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_nothing_to_explain_is_one_line(value: float) -> None:
    study = replace(simulated_study(60, NOTHING, 1), targets={"dice": np.full(60, value)})
    with pytest.raises(FetaError, match="nothing to explain"):
        analyse(study, ForestSettings(), permutations=1)


def test_quality_correlates_by_site() -> None:
    study = simulated_study(200, SetEffects(quality=0.3, noise=0.01), 0)
    found = {c.site: c for c in quality_by_site(study)}
    assert set(found) == {EVERYWHERE, "KISPI", "Vienna", "CHUV", "UCSF", "KCL"}
    member = np.array([case.site == "KCL" for case in study.cases])
    x, y = study.factors[0].values[member], study.targets["dice"][member]
    expected = ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std())
    assert found["KCL"].r == pytest.approx(expected)
    assert found["KCL"].low < found["KCL"].r < found["KCL"].high
    assert found["KCL"].cases == member.sum()


def test_a_tree_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        ForestSettings(trees=10)
