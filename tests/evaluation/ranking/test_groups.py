"""Nothing is won by leaving something out: every metric and scheme, whatever was measured of whomever.

Measurements are drawn, far beyond every penalty too; penalties, scores and ranks are the evaluator's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.choices import Euler
from evaluation.metrics.measurements import PairMetrics
from evaluation.ranking.groups import by_site
from evaluation.ranking.results import label_means, metric_means
from evaluation.ranking.schemes import SCHEMES, Ranking, biometry_units, rank_units, segmentation_units
from evaluation.ranking.stability import bootstrap
from evaluation.scoring.case_task import CaseResult, Outcome
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score import score_table
from evaluation.scoring.score_table import HIGHER_IS_BETTER, SEGMENTATION_METRICS, ScoreTable
from evaluation.scoring.truth import Truth
from evaluation.submissions.reasons import Reason
from tests.support.made_up_scores import made_up_cases

DIAGONAL = 221.7
CHANCES = st.sampled_from([0.0, 0.2, 0.6, 1.0])
Results = list[CaseResult]


def drawn_outcome(generator: np.random.Generator, in_truth: np.ndarray, betti: np.ndarray, rough: float) -> Outcome:
    """What might have been measured of one team's case; few distinct values, so that ties happen."""
    in_prediction = generator.random(7) < 0.9
    both, any_ = in_truth & in_prediction, in_truth | in_prediction
    return Outcome(
        measured=PairMetrics(
            dice=np.where(any_, np.where(both, generator.integers(0, 5, 7) / 4, 0), np.nan),
            vs=np.where(any_, np.where(both, generator.integers(0, 5, 7) / 4, 0), np.nan),
            hd95=np.where(both, generator.integers(0, 5, 7) * DIAGONAL / 4, np.inf),
            betti_truth=betti,
            betti_prediction=np.where(in_prediction[:, None], generator.integers(0, 30, (7, 3)) * int(rough), 0),
            in_truth=in_truth,
            in_prediction=in_prediction,
            diagonal=DIAGONAL,
        ),
        lengths=generator.integers(1, 9, 5) * rough,
    )


def less_of(outcome: Outcome, generator: np.random.Generator, chance: float, no_file: bool) -> Outcome:
    """The same, less some labels that the truth has, or the whole file; and less some lengths."""
    gone = generator.random(5) < chance
    lengths = np.where(gone, np.nan, outcome.lengths)
    reasons = tuple(Reason.MISSING_LENGTH if is_gone else "" for is_gone in gone)
    measured = outcome.measured
    if no_file or measured is None:
        return Outcome(None, Reason.MISSING_FILE, lengths, reasons)
    absent = measured.in_truth & (generator.random(7) < chance)
    kept = replace(
        measured,
        dice=np.where(absent, 0, measured.dice),
        vs=np.where(absent, 0, measured.vs),
        hd95=np.where(absent, np.inf, measured.hd95),
        betti_prediction=np.where(absent[:, None], 0, measured.betti_prediction),
        in_prediction=measured.in_prediction & ~absent,
    )
    return Outcome(kept, lengths=lengths, length_reasons=reasons)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[Truth, Results, Results]:
    """A truth, all teams' outcomes, and the same in which the first team leaves things out."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    teams, cases = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rough = draw(st.sampled_from([1.0, 10.0, 100.0, 10_000.0]))
    chance, others, files = draw(CHANCES), draw(CHANCES), draw(CHANCES)
    before, after = [], []
    for _ in range(cases):
        in_truth, betti = generator.random(7) < 0.9, generator.integers(0, 20, (7, 3))
        betti = np.where(in_truth[:, None], betti, 0)
        outcomes = [drawn_outcome(generator, in_truth, betti, rough) for _ in range(teams)]
        outcomes[1:] = [less_of(o, generator, others, generator.random() < others / 2) for o in outcomes[1:]]
        first = less_of(outcomes[0], generator, chance, bool(generator.random() < files))
        before.append(CaseResult(tuple(outcomes), betti, DIAGONAL))
        after.append(CaseResult((first, *outcomes[1:]), betti, DIAGONAL))
    lengths = np.where(generator.random((cases, 5)) < 0.2, np.nan, generator.integers(1, 9, (cases, 5)) * 10.0)
    truth = Truth(made_up_cases(cases), (Path("map"),) * cases, lengths, (True,) * cases, frozenset(), ())
    return truth, before, after


def tables(drawn: tuple[Truth, Results, Results], euler: Euler) -> tuple[ScoreTable, ScoreTable]:
    truth, *both = drawn
    teams = [f"team-{t}" for t in range(len(both[0][0].outcomes))]
    before, after = (score_table(truth, teams, results, default_policy(), euler) for results in both)
    return before, after


def rankings(table: ScoreTable) -> list[Ranking]:
    """Of both tasks, by every scheme, over the cohort and over each site."""
    found = [
        rank_units(units(table, scheme), table.teams, scheme, group.members)
        for scheme in SCHEMES
        for units in (segmentation_units, biometry_units)
        for group in by_site(table)
    ]
    return [ranking for ranking in found if ranking is not None]


EULERS = st.sampled_from(["table", "reference"])


@given(cohorts(), EULERS)
@settings(max_examples=150)
def test_it_improves_no_score(drawn: tuple[Truth, Results, Results], euler: Euler) -> None:
    before, after = tables(drawn, euler)
    sign = np.array([-1 if metric in HIGHER_IS_BETTER else 1 for metric in SEGMENTATION_METRICS])
    assert (after.counted[0] * sign >= before.counted[0] * sign).all()
    known = np.isfinite(before.true_lengths)
    assert (after.counted_errors[0][known] >= before.counted_errors[0][known]).all()
    for group in by_site(before):
        own, less = (metric_means(table, group)["team-0"] for table in (before, after))
        for metric, mean in own.items():
            worse = -1 if metric in HIGHER_IS_BETTER else 1
            assert less[metric] * worse >= mean * worse - 1e-9
    for tissue, means in label_means(before)["team-0"].items():
        for metric, mean in means.items():
            worse = -1 if metric in HIGHER_IS_BETTER else 1
            assert label_means(after)["team-0"][tissue][metric] * worse >= mean * worse - 1e-9


@given(cohorts(), EULERS)
@settings(max_examples=150)
def test_it_changes_nothing_of_the_others(drawn: tuple[Truth, Results, Results], euler: Euler) -> None:
    """Else their order could change, and the one who left something out gain by that."""
    before, after = tables(drawn, euler)
    np.testing.assert_array_equal(after.counted[1:], before.counted[1:])
    np.testing.assert_array_equal(after.counted_errors[1:], before.counted_errors[1:])


@given(cohorts(), EULERS)
@settings(max_examples=150)
def test_it_improves_no_rank(drawn: tuple[Truth, Results, Results], euler: Euler) -> None:
    before, after = tables(drawn, euler)
    for own, less in zip(rankings(before), rankings(after), strict=True):
        assert less.rank[0] >= own.rank[0]
        assert less.score[0] >= own.score[0] - 1e-9
        known = np.isfinite(own.column_ranks[0])  # not so for a length that no case has
        assert (less.column_ranks[0] >= own.column_ranks[0] - 1e-9)[known].all()


@given(cohorts(), EULERS)
@settings(max_examples=30)
def test_it_improves_no_rank_range(drawn: tuple[Truth, Results, Results], euler: Euler) -> None:
    sites = [case.site for case in drawn[0].cases]
    ranges = []
    for table in tables(drawn, euler):
        units = segmentation_units(table, "paper")
        ranking = rank_units(units, table.teams, "paper", np.ones(len(sites), bool))
        assert ranking is not None
        found = bootstrap(units, sites, np.ones(len(sites), bool), ranking.rank, samples=40)
        ranges.append((found.low[0], found.high[0]))
    assert ranges[1][0] >= ranges[0][0]
    assert ranges[1][1] >= ranges[0][1]


def two_teams(ed: int) -> tuple[Truth, Results, Results]:
    """A team with an ED beyond the penalty in one label, and a second one that is fine; then without that label."""
    generator = np.random.default_rng(0)
    betti = np.tile([1, 0, 0], (7, 1))
    bad, good = (drawn_outcome(generator, np.ones(7, bool), betti, 1.0) for _ in range(2))
    assert bad.measured is not None
    rough = replace(bad.measured, in_prediction=np.ones(7, bool), betti_prediction=betti + np.array([0, ed, 0]))
    bad = replace(bad, measured=rough)
    less = less_of(bad, generator, 1.0, no_file=False)
    truth = Truth(made_up_cases(1), (Path("map"),), np.full((1, 5), 40.0), (True,), frozenset(), ())
    return truth, [CaseResult((bad, good), betti, DIAGONAL)], [CaseResult((less, good), betti, DIAGONAL)]


def test_the_hole_that_the_limit_closes() -> None:
    """Without it, an ED of 4000 that is the largest of all would turn into 1000."""
    before, after = tables(two_teams(4000), "reference")
    ed = SEGMENTATION_METRICS.index("ed")
    assert before.values[0, 0, :, ed].tolist() == [4000] * 7
    assert after.values[0, 0, :, ed].tolist() == [1000] * 7
    assert before.counted[0, 0, :, ed].tolist() == after.counted[0, 0, :, ed].tolist() == [1000] * 7


@pytest.mark.parametrize("counted", [True, False])
def test_an_organizer_may_count_measurements_as_they_are(counted: bool) -> None:
    policy = replace(default_policy(), count_no_worse_than_missing=counted)
    truth, results, _ = two_teams(4000)
    table = score_table(truth, ["a", "b"], results, policy, "reference")
    ed = SEGMENTATION_METRICS.index("ed")
    assert table.values[0, 0, 0, ed] == 4000
    assert table.counted[0, 0, 0, ed] == (1000 if counted else 4000)
