"""Two editions on their shared cases."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from evaluation.analysis.edition_report import edition_lines, render_editions
from evaluation.analysis.editions import ALL_TEAMS, WINNER, Comparison, Editions, compare_editions, rank_biserial
from evaluation.analysis.hd95_tools import year_in
from evaluation.analysis.results_folder import Scores
from feta.errors import FetaError
from tests.support.made_up_scores import made_up_table, scores_of

NAMES = ("2022", "2024")


def edition(teams: tuple[str, ...] = ("a", "b"), cases: int = 16, gain: float = 0.0) -> Scores:
    """Dice and VS higher, HD95 and ED lower by ``gain``; the first team wins."""
    table = made_up_table(teams, cases)
    turned = np.array([1, 1, -1, -1, -1, -1, -1])
    places = {"segmentation": {t: i + 1 for i, t in enumerate(teams)}, "biometry": {}}
    scores = scores_of(table)
    return replace(scores, values=table.values + gain * turned, places=places)


def found(editions: Editions, selection: str, metric: str) -> Comparison:
    return next(c for c in editions.comparisons if (c.selection, c.metric) == (selection, metric))


def test_an_edition_does_not_differ_from_itself() -> None:
    editions = compare_editions(edition(), edition(), NAMES)
    assert {c.verdict for c in editions.comparisons} == {"no difference shown"}
    assert {c.p for c in editions.comparisons} == {1.0}
    assert editions.only == (0, 0)


@pytest.mark.parametrize(("gain", "verdict"), [(0.01, "better"), (-0.01, "worse")])
def test_a_gain_is_positive_whichever_way_a_metric_points(gain: float, verdict: str) -> None:
    editions = compare_editions(edition(), edition(gain=gain), NAMES)
    for metric in ("dice", "vs", "hd95", "ed"):
        one = found(editions, ALL_TEAMS, metric)
        assert one.verdict == verdict
        np.testing.assert_allclose(one.gain, gain)
        assert one.rank_biserial == np.sign(gain)
    assert found(editions, ALL_TEAMS, "dice").second - found(editions, ALL_TEAMS, "dice").first == pytest.approx(gain)


def test_p_is_wilcoxon_s_corrected_for_all_rows() -> None:
    first, second = edition(("a",)), edition(("z",))
    noise = np.random.default_rng(5).normal(0.002, 0.01, second.values.shape)
    editions = compare_editions(first, replace(second, values=second.values + noise), NAMES)
    rows = [c for c in editions.comparisons if c.metric != "mape"]
    raw = {c.metric: wilcoxon(c.gain).pvalue for c in rows}
    smallest = min(raw, key=lambda metric: raw[metric])
    assert found(editions, ALL_TEAMS, smallest).p == pytest.approx(min(1, raw[smallest] * len(editions.comparisons)))


def test_only_cases_of_one_name_and_site_are_shared() -> None:
    first, second = edition(cases=18), edition(cases=21)
    moved = tuple(replace(c, site="elsewhere") if i == 2 else c for i, c in enumerate(second.cases))
    editions = compare_editions(first, replace(second, cases=moved[::-1]), NAMES)
    assert [c.name for c in editions.cases] == [c.name for i, c in enumerate(first.cases) if i != 2]
    assert editions.only == (1, 4)
    assert any("1 cases have one name and two sites" in line for line in editions.warnings)


def test_pairs_are_cases_not_places() -> None:
    first = edition()
    turned = replace(first, cases=first.cases[::-1], values=first.values[:, ::-1],
                     length_errors=first.length_errors[:, ::-1])  # fmt: skip
    editions = compare_editions(first, turned, NAMES)
    assert all(not c.gain.any() for c in editions.comparisons)


def with_lengths(scores: Scores, missing: int) -> Scores:
    """The first ``missing`` cases have one true length, all others five; errors grow from case to case."""
    errors = scores.length_errors + np.arange(len(scores.cases))[:, None]
    errors[:, :missing, 1:] = np.nan
    return replace(scores, length_errors=errors)


@pytest.mark.parametrize("missing", [0, 3, 9])
def test_mape_is_that_of_the_leaderboard(missing: int) -> None:
    """Over all lengths of all cases, however many a case has."""
    first, second = (with_lengths(edition(teams), missing) for teams in (("a", "b"), ("c",)))
    mape = found(compare_editions(first, second, NAMES), ALL_TEAMS, "mape")
    assert mape.first == pytest.approx(np.nanmean(first.length_errors))
    assert mape.second == pytest.approx(np.nanmean(second.length_errors))
    assert mape.mean_gain == pytest.approx(mape.first - mape.second)
    assert mape.low <= mape.mean_gain <= mape.high


def test_where_all_cases_have_all_lengths_nothing_is_weighed() -> None:
    first, second = with_lengths(edition(("a",)), 0), with_lengths(edition(("c",)), 0)
    mape = found(compare_editions(first, second, NAMES), ALL_TEAMS, "mape")
    assert mape.mean_gain == mape.gain.mean()


def test_a_length_that_one_edition_alone_has_the_truth_of_is_not_compared() -> None:
    first, second = edition(("a",)), with_lengths(edition(("a",)), 2)
    both = np.isfinite(second.length_errors)
    mape = found(compare_editions(first, second, NAMES), ALL_TEAMS, "mape")
    assert mape.first == pytest.approx(first.length_errors[both].mean())


def test_one_site() -> None:
    editions = compare_editions(edition(cases=24), edition(cases=24), NAMES, site="KISPI")
    assert {case.site for case in editions.cases} == {"KISPI"}
    assert len(editions.cases) == 8


def test_too_few_shared_cases_are_refused() -> None:
    with pytest.raises(FetaError, match="share 5 cases"):
        compare_editions(edition(cases=5), edition(cases=9), NAMES)


def test_the_winner_is_that_of_the_leaderboard() -> None:
    first = edition(("a", "b"))
    second = replace(first, places={"segmentation": {"a": 2, "b": 1}, "biometry": {}})
    dice = found(compare_editions(first, second, NAMES), WINNER, "dice")
    assert dice.first == pytest.approx(first.values[0, ..., 0].mean())
    assert dice.second == pytest.approx(first.values[1, ..., 0].mean())


def test_teams_on_both_leaderboards_are_compared_with_themselves() -> None:
    editions = compare_editions(edition(("a", "b")), edition(("b", "c")), NAMES)
    assert editions.teams == ("b",)
    assert found(editions, "team b", "dice").metric == "dice"


def test_different_readings_of_the_euler_characteristic_are_not_compared() -> None:
    editions = compare_editions(edition(), replace(edition(), euler="reference"), NAMES)
    assert "ed" not in {c.metric for c in editions.comparisons}
    assert editions.warnings


def test_other_penalties_are_warned_of() -> None:
    same = compare_editions(edition(), edition(gain=0.01), NAMES)
    other = compare_editions(edition(), replace(edition(), policy={"missing": {"dice": 0.5}}), NAMES)
    assert not same.warnings
    assert any("penalties of the two were not the same" in line for line in other.warnings)


def hd95_lines(a: tuple[int | None, str | None], b: tuple[int | None, str | None]) -> tuple[list[str], set[str]]:
    """What is said of HD95, and the metrics compared, of editions with a year and a tool each."""
    first, second = (replace(edition(), edition=year, hd95=tool) for year, tool in (a, b))
    editions = compare_editions(first, second, ("old", "new"))
    return [w for w in editions.warnings if w.startswith("HD95")], {c.metric for c in editions.comparisons}


OURS = "surface-distance"


@pytest.mark.parametrize(("year", "other"), [(2021, 2022), (2024, 2021), (2020, 2026)])
@pytest.mark.parametrize("tool", [None, OURS])
def test_editions_on_both_sides_of_2022_are_warned_of(year: int, other: int, tool: str | None) -> None:
    lines, metrics = hd95_lines((year, tool), (other, tool))
    assert len(lines) == 1
    assert f"published for {min(year, other)} came from EvaluateSegmentation" in lines[0]
    assert ("measured anew" in lines[0]) == (tool == OURS)
    assert "hd95" in metrics


@pytest.mark.parametrize(("year", "other"), [(2022, 2024), (2020, 2021), (None, 2024), (2021, None), (None, None)])
def test_editions_on_one_side_or_of_no_year_are_not(year: int | None, other: int | None) -> None:
    assert hd95_lines((year, OURS), (other, OURS))[0] == []


def test_hd95_of_two_tools_is_left_out_whatever_the_years() -> None:
    lines, metrics = hd95_lines((None, "EvaluateSegmentation"), (None, None))
    assert len(lines) == 1
    assert "old's is of EvaluateSegmentation and new's is of surface-distance" in lines[0]
    assert metrics == {"dice", "vs", "ed", "mape"}
    assert hd95_lines((2021, "x"), (2021, "x")) == ([], {"dice", "vs", "hd95", "ed", "mape"})


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("SCORES_2021", 2021),
        ("2024", 2024),
        ("feta2022-2", 2022),
        ("20210930", None),
        ("2021 to 2024", None),
        ("a", None),
    ],
)
def test_a_folder_s_name_can_tell_the_year(name: str, year: int | None) -> None:
    assert year_in(name) == year


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=12))
def test_rank_biserial_is_the_difference_of_favourable_and_unfavourable_pairs(gains: list[int]) -> None:
    """Of all pairs (i ≤ j) of cases that differ: share with a positive sum minus share with a negative sum."""
    moved = [g for g in gains if g]
    sums = [a + b for a, b in itertools.combinations_with_replacement(moved, 2)]
    expected = (sum(s > 0 for s in sums) - sum(s < 0 for s in sums)) / len(sums) if sums else 0.0
    assert rank_biserial(np.array(gains, dtype=float)) == pytest.approx(expected)


def test_the_page_and_the_lines_say_what_differs() -> None:
    editions = compare_editions(edition(("<b>x</b>", "b")), edition(("b", "c"), gain=0.01), NAMES)
    page = render_editions(editions)
    assert "Better in 2024" in page
    assert "<b>x</b>" not in page
    lines = edition_lines(editions)
    assert any(line.endswith("better") for line in lines)
    assert {line.count("\t") for line in lines[1:]} == {9}
    assert lines[1].startswith("Metric\tTeams\t")
    assert "No difference is shown" in render_editions(compare_editions(edition(), edition(), NAMES))
