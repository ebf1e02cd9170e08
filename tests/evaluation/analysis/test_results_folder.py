"""Results read back from their folder, and what of them a forest is grown on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.analysis.editions import compare_editions
from evaluation.analysis.factors import PATHOLOGY, QUALITY, SITE
from evaluation.analysis.results_folder import Scores, read_results
from evaluation.analysis.study import study_of, with_participants, with_quality
from evaluation.report.write import write_outputs
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score_table import CaseInfo, ScoreTable
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError
from tests.support.made_up_scores import made_up_cases, made_up_table, replaced, scores_of

FORMULA = '=HYPERLINK("http://x")'


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.report.write.render", lambda *_, **__: "")


def written(table: ScoreTable, folder: Path) -> Scores:
    write_outputs(folder, table, ScoringMessages())
    return read_results(folder)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    table = made_up_table(("a", FORMULA), 5)
    reasons = table.reasons.copy()
    reasons[1, 2] = "missing file"
    truth = table.true_lengths.copy()
    truth[0, 3] = np.nan
    errors = np.where(np.isnan(truth), np.nan, table.length_errors)
    scores = written(replaced(table, reasons=reasons, true_lengths=truth, length_errors=errors), tmp_path)
    assert scores.teams == table.teams
    assert scores.cases == table.cases
    np.testing.assert_array_equal(scores.values, table.values)
    np.testing.assert_array_equal(scores.measured, reasons == "")
    np.testing.assert_array_equal(scores.length_errors, errors)
    assert scores.places == {"segmentation": {"a": 1, FORMULA: 2}, "biometry": scores.places["biometry"]}


def test_nothing_counts_more_than_on_the_leaderboards(tmp_path: Path) -> None:
    table = made_up_table(2, 5)
    values, errors = table.values.copy(), table.length_errors.copy()
    values[0, 2, 3, 3:5], errors[1, 4, 0] = (4000, 5000), 700
    table = ScoreTable(
        **{**vars(replaced(table, values=values, length_errors=errors)), "limits": default_policy().limits}
    )
    write_outputs(tmp_path, table, ScoringMessages(policy=default_policy().as_dict()))
    scores = read_results(tmp_path)
    np.testing.assert_array_equal(scores.values, table.counted)
    np.testing.assert_array_equal(scores.length_errors, table.counted_errors)
    assert (scores.values[0, 2, 3, 3], scores.values[0, 2, 3, 4], scores.length_errors[1, 4, 0]) == (1000, 1000, 100)


def test_a_case_without_a_true_map_has_no_scores(tmp_path: Path) -> None:
    table = made_up_table(2, 36)
    values, reasons, floor = table.values.copy(), table.reasons.copy(), table.ed_floor.copy()
    values[:, 4], reasons[:, 4], floor[4] = np.nan, Reason.NO_TRUTH, np.nan
    scores = written(replaced(table, values=values, reasons=reasons, ed_floor=floor), tmp_path)
    np.testing.assert_array_equal(scores.values, values)
    study = study_of(scores)
    assert np.flatnonzero(np.isnan(study.targets["dice"])).tolist() == [4]
    assert not any("penalty" in line for line in study.warnings)
    editions = compare_editions(scores, scores, ("a", "b"))
    assert {len(c.gain) for c in editions.comparisons} == {35, 36}  # 36 have lengths


@pytest.mark.parametrize("cell", ["nan", "inf", "1e999", "x"])
def test_a_score_that_is_no_number_is_refused(tmp_path: Path, cell: str) -> None:
    written(made_up_table(1, 2), tmp_path)
    path = tmp_path / "scores.csv"
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    lines[5] = ",".join([*cells[:6], cell, *cells[7:]])
    path.write_text("\n".join(lines))
    with pytest.raises(FetaError, match="in place of a number"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("results.json", "{}", "no results.json"),
        ("results.json", "[", "no results.json"),
        ("results.json", '{"format": "feta-results/9"}', "format"),
        ("scores.csv", "team,value\n", "other columns"),
        ("scores.csv", "team,site,subject,case,label,metric,value,reason\n", "does not hold every score"),
        ("scores.csv", "team,site,subject,case,label,metric,value,reason\nx,s,s,c,1,dice,1,\n", "speaks of"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, file: str, text: str, words: str) -> None:
    written(made_up_table(1, 2), tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(FetaError, match=words):
        read_results(tmp_path)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match=r"results\.json"):
        read_results(tmp_path)


def test_a_case_s_score_is_the_mean_of_what_was_measured() -> None:
    table = made_up_table(3, 36)
    reasons, values = table.reasons.copy(), table.values.copy()
    reasons[0, 4], values[0, 4] = "missing file", 0.0
    reasons[:, 7], values[:, 7] = "missing file", 0.0
    study = study_of(scores_of(replaced(table, reasons=reasons, values=values)))
    dice = study.targets["dice"]
    assert dice[3] == pytest.approx(table.values[:, 3, :, 0].mean())
    assert dice[4] == pytest.approx(table.values[1:, 4, :, 0].mean())
    assert np.isnan(dice[7])
    assert any("56 labels of a case" in line for line in study.warnings) is False
    assert any("28 labels of a case" in line for line in study.warnings)
    assert study.targets["mape"][0] == pytest.approx(table.length_errors[:, 0].mean())


def test_one_team_alone() -> None:
    table = made_up_table(3, 36)
    study = study_of(scores_of(table), "team-1")
    np.testing.assert_allclose(study.targets["hd95"], table.values[1, :, :, 2].mean(axis=1))
    with pytest.raises(FetaError, match="no team"):
        study_of(scores_of(table), "team-9")


def with_cases(table: ScoreTable, cases: tuple[CaseInfo, ...]) -> Scores:
    return replace(scores_of(table), cases=cases)


def test_a_factor_that_few_cases_tell_is_left_out_with_a_word() -> None:
    cases = tuple(replace(c, quality=None) if i else c for i, c in enumerate(made_up_cases(40)))
    study = study_of(with_cases(made_up_table(1, 40), cases))
    assert QUALITY not in {f.name for f in study.factors}
    assert len(study.cases) == 40
    assert any("quality estimate" in line for line in study.warnings)


def test_a_case_that_lacks_a_factor_is_left_out_with_a_word() -> None:
    cases = tuple(replace(c, age=None) if i == 5 else c for i, c in enumerate(made_up_cases(40)))
    study = study_of(with_cases(made_up_table(1, 40), cases))
    assert [c.name for c in study.cases] == [c.name for i, c in enumerate(cases) if i != 5]
    assert len(study.targets["dice"]) == len(study.factors[0].values) == 39
    assert any("1 of 40 cases" in line for line in study.warnings)


def test_a_factor_without_a_difference_is_left_out() -> None:
    cases = tuple(replace(c, pathology="Neurotypical") for c in made_up_cases(40))
    study = study_of(with_cases(made_up_table(1, 40), cases))
    assert PATHOLOGY not in {f.name for f in study.factors}


@pytest.mark.parametrize("sites", [[f"S{i}" for i in range(40)], ["Z", "Z", *["A"] * 38]], ids=["one a case", "few"])
def test_a_factor_without_two_levels_to_tell_apart_is_left_out(sites: list[str]) -> None:
    cases = tuple(replace(c, site=site) for c, site in zip(made_up_cases(40), sites, strict=True))
    study = study_of(with_cases(made_up_table(1, 40), cases))
    assert SITE not in {f.name for f in study.factors}
    assert any(line.startswith(f"{SITE}: fewer than two") for line in study.warnings)


def test_names_of_cases_that_are_left_out_are_no_levels() -> None:
    cases = tuple(replace(c, site="Nowhere", age=None) if i == 5 else c for i, c in enumerate(made_up_cases(40)))
    factor = next(f for f in study_of(with_cases(made_up_table(1, 40), cases)).factors if f.name == SITE)
    assert factor.names == ("CHUV, mial", "KISPI, mial", "Vienna, mial")
    assert set(factor.values) == {0, 1, 2}


def test_few_cases_are_refused() -> None:
    with pytest.raises(FetaError, match="at least 30"):
        study_of(scores_of(made_up_table(1, 29)))


def test_an_estimate_never_replaces_a_rating() -> None:
    rated, unrated, unknown = (replace(c, quality=q) for c, q in zip(made_up_cases(3), (1.0, None, None), strict=True))
    cases, words = with_quality((rated, unrated, unknown), {rated.name: 4.0, unrated.subject: 3.0})
    assert [c.quality for c in cases] == [1.0, 3.0, None]
    assert "1 of 3" in words[0]


def test_a_table_fills_in_what_the_results_lack(tmp_path: Path) -> None:
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tImage quality\tGestational age\nsub-000\t2.5\t30\n")
    case = replace(made_up_cases(1)[0], quality=None, age=22.0)
    filled = with_participants((case,), table)[0]
    assert (filled.quality, filled.age) == (2.5, 22.0)


def test_results_with_more_columns_are_read(tmp_path: Path) -> None:
    """A later program may say more about a case."""
    write_outputs(tmp_path, made_up_table(1, 2), ScoringMessages())
    path = tmp_path / "results.json"
    content = json.loads(path.read_text())
    content["cases"][0]["weather"] = "fine"
    path.write_text(json.dumps(content))
    assert read_results(tmp_path).cases == made_up_cases(2)
