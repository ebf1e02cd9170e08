"""Which numbers may be published: means over enough cases, rounded."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.harness.record import RunRecord
from evaluation.ranking.groups import everyone
from evaluation.ranking.results import Results, compute_results
from evaluation.release.enough import Enough
from evaluation.release.kinds import Kind, ReleaseFile
from evaluation.release.policy import ReleasePolicy, read_release_policy
from evaluation.release.published import Published
from evaluation.release.write import release_files
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import ScoreTable
from feta.errors import FetaError
from tests.support.made_up_scores import made_up_table, replaced

PENALTY = (0.0, 0.0, 120.5, 1000.0, 1000.0, 1000.0, 1000.0)
BY_SITE = ReleasePolicy(by_site=True)

pytestmark = pytest.mark.usefixtures("quick")


def results_of(table: ScoreTable) -> Results:
    return compute_results(table, ScoringMessages())


def files_of(table: ScoreTable, policy: ReleasePolicy | None = None) -> dict[str, str]:
    published = Published(results_of(table), policy or ReleasePolicy())
    names = [f"case-{i}" for i in range(len(table.cases))]
    return {file.path: file.content for file in release_files(published, names, RunRecord())}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def row_of(files: dict[str, str], team: str) -> dict[str, str]:
    return next(row for row in rows_of(files["leaderboard_segmentation.csv"]) if row["team"] == team)


def without(table: ScoreTable, team: int, keep: int) -> ScoreTable:
    """A team that handed in the first ``keep`` cases alone."""
    values, reasons = table.values.copy(), table.reasons.copy()
    lengths, errors, why = table.lengths.copy(), table.length_errors.copy(), table.length_reasons.copy()
    values[team, keep:], reasons[team, keep:] = PENALTY, "missing-file"
    lengths[team, keep:], errors[team, keep:], why[team, keep:] = np.nan, 100.0, "missing-file"
    return replaced(table, values=values, reasons=reasons, lengths=lengths, length_errors=errors, length_reasons=why)


def test_leaderboards_hold_the_means_with_three_decimals() -> None:
    table = made_up_table(3, 12)
    rows = rows_of(files_of(table)["leaderboard_segmentation.csv"])
    assert [row["site"] for row in rows] == ["all"] * 3
    for row in rows:
        t = table.teams.index(row["team"])
        assert float(row["dice"]) == round(float(table.values[t, ..., 0].mean()), 3)
        assert float(row["hd95"]) == round(float(table.values[t, ..., 2].mean()), 3)


@pytest.mark.parametrize("kept", [1, 4])
def test_who_hands_in_few_cases_cannot_read_their_scores_off_the_means(kept: int) -> None:
    files = files_of(without(made_up_table(3, 12), 1, kept))
    for name in ("leaderboard_segmentation.csv", "leaderboard_biometry.csv"):
        row = next(row for row in rows_of(files[name]) if row["team"] == "team-1")
        told = {key for key, cell in row.items() if cell}
        # The biometry's score is the mean error itself.
        assert told == {"site", "rank", "team", "rank_low", "rank_high", "cases"}
    page = files["teams/team-1.html"]
    assert "Some numbers are withheld" in page
    assert 'id="tissues"' not in page
    assert 'id="topology"' not in page
    assert 'id="lengths"' not in page


def test_no_median_tells_a_number_that_is_withheld() -> None:
    """Of two teams the median and one's own number give the other's."""
    page = files_of(without(made_up_table(2, 12), 1, 2))["teams/team-0.html"]
    for caption in ("Dice", "HD95, mm", "Mean error of each length, %"):
        table = page.split(f"{caption}</caption>")[1].split("</table>")[0]
        cells = [re.findall(r"<td>(.*?)</td>", row)[:2] for row in table.split("<tr>")[2:]]
        assert len(cells) >= 5
        assert all(own == median for own, median in cells)


def test_who_hands_in_enough_cases_or_none_has_numbers() -> None:
    for kept in (0, 5, 12):
        files = files_of(without(made_up_table(3, 12), 1, kept))
        assert row_of(files, "team-1")["dice"]
        assert "withheld:" not in files["teams/team-1.html"]


@given(arrays(bool, (2, 8, 7, 7)), arrays(bool, (8, 7)), st.integers(1, 8))
def test_numbers_are_told_where_each_metric_of_each_label_was_measured_in_no_case_or_in_enough(
    measured: np.ndarray, present: np.ndarray, fewest: int
) -> None:
    table = made_up_table(2, 8)
    reasons = np.where(measured, "", "missing-label").astype("<U40")
    reasons[..., 0][:, ~present] = "absent-in-both"
    enough = Enough(replaced(table, reasons=reasons), [everyone(table)], fewest)

    def fine(*counts: int) -> bool:
        return all(n == 0 or n >= fewest for n in counts)

    assert enough.each_label is fine(*(int(sum(present[:, label])) for label in range(7)))
    for t in range(2):
        own = [[measured[t, :, label, metric] & present[:, label] for label in range(7)] for metric in range(7)]
        if enough.each_label:
            assert enough.told[t] == fine(*(int(sum(cases)) for labels in own for cases in labels))
        else:
            assert enough.told[t] == fine(*(int(sum(map(any, zip(*labels, strict=True)))) for labels in own))


def test_noise_in_all_cases_but_one_does_not_tell_that_one_s_distance() -> None:
    """Dice of noise is measured, its HD95 and ED are not."""
    table = made_up_table(3, 12)
    values, reasons = table.values.copy(), table.reasons.copy()
    values[1, 1:, :, 2:], reasons[1, 1:, :, 2:] = PENALTY[2:], "too-ragged"
    row = row_of(files_of(replaced(table, values=values, reasons=reasons)), "team-1")
    assert row["rank"] and not row["hd95"] and not row["dice"]


def test_a_label_that_the_truth_has_in_one_case_hides_the_means_by_label() -> None:
    """Where neither has it the scores are known: the rest of the mean would be that one case's."""
    table = made_up_table(3, 12)
    values, reasons = table.values.copy(), table.reasons.copy()
    values[:, 1:, 5], reasons[:, 1:, 5, :3] = (1, 1, 0, 0, 0, 0, 0), "absent-in-both"
    table = replaced(table, values=values, reasons=reasons)
    files = files_of(table)
    assert row_of(files, "team-1")["dice"]
    for page in (files["index.html"], files["teams/team-1.html"]):
        assert 'id="tissues"' not in page
        assert 'id="topology"' not in page
    assert "no mean is told by label" in Published(results_of(table), ReleasePolicy()).warnings[0]


def test_sites_are_shown_where_all_are_large_enough() -> None:
    rows = rows_of(files_of(made_up_table(2, 15), BY_SITE)["leaderboard_segmentation.csv"])
    assert {row["site"] for row in rows} == {"all", "KISPI", "Vienna", "CHUV"}
    assert {row["site"] for row in rows_of(files_of(made_up_table(2, 15))["leaderboard_segmentation.csv"])} == {"all"}


def test_one_small_site_hides_all_since_it_would_follow_from_the_rest() -> None:
    files = files_of(made_up_table(2, 14), BY_SITE)
    assert {row["site"] for row in rows_of(files["leaderboard_segmentation.csv"])} == {"all"}
    assert "KISPI" not in files["index.html"]
    warnings = Published(results_of(made_up_table(2, 14)), BY_SITE).warnings
    assert warnings == ("release: by_site is left out, since a site has fewer than 5 cases",)


def test_a_length_that_few_cases_have_hides_the_errors_by_length() -> None:
    table = made_up_table(2, 12)
    true = table.true_lengths.copy()
    true[2:, 3] = np.nan
    errors, why = table.length_errors.copy(), table.length_reasons.copy()
    errors[:, 2:, 3], why[:, 2:, 3] = np.nan, "no-truth"
    files = files_of(replaced(table, true_lengths=true, length_errors=errors, length_reasons=why))
    rows = rows_of(files["leaderboard_biometry.csv"])
    assert all(row["mape"] and not row["sBIP"] and not row["TCD"] for row in rows)
    assert "skull biparietal" not in files["teams/team-0.html"]


def test_a_small_cohort_is_not_released_at_all() -> None:
    with pytest.raises(FetaError, match="4 cases are too few to publish"):
        Published(results_of(made_up_table(2, 4)), ReleasePolicy())
    Published(results_of(made_up_table(2, 4)), ReleasePolicy(fewest_cases=4))


def test_scores_by_case_are_released_only_where_the_policy_says_so() -> None:
    table = made_up_table(2, 6)
    assert "cases.csv" not in files_of(table)
    rows = rows_of(files_of(table, ReleasePolicy(by_case=True))["cases.csv"])
    assert len(rows) == 2 * 6 * 7 * 7
    assert {row["case"] for row in rows} == {f"case-{i}" for i in range(6)}
    assert set(rows[0]) == {"team", "case", "label", "metric", "value", "reason"}


def test_the_declared_policy_is_the_strictest() -> None:
    assert read_release_policy(None) == ReleasePolicy()
    assert Kind.CASE_TABLE not in ReleasePolicy().kinds


@pytest.mark.parametrize("name", ["picture.png", "teams/../index.html", "teams/.html", "logs/a.txt", "cases.csv"])
@pytest.mark.parametrize("kind", [Kind.REPORT, Kind.TEAM_PAGE, Kind.LEADERBOARD])
def test_a_file_that_is_of_no_kind_cannot_be_made(kind: Kind, name: str) -> None:
    with pytest.raises(ValueError, match="is no name for"):
        ReleaseFile(kind, name, "")
