"""The fit on made-up rows whose quality depends on two of the signals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingRegressor

from feta.errors import FetaError
from inference.confidence.confidence import Judging
from inference.confidence.quality_file import read_quality_model, write_quality_model
from inference.confidence.quality_model import Figure, QualityModel
from inference.confidence.trees import trees_from
from tests.support.made_up_quality import made_up_rows
from training.confidence import grow
from training.confidence.across import judged_across
from training.confidence.fit import fit_quality_model
from training.confidence.grow import as_arrays
from training.confidence.judged import Judged, judge_rows
from training.confidence.quality_table import Table, folds_of
from training.confidence.report import pairs_of, report, risk_coverage
from training.confidence.rows import CaseRow, read_rows, write_row


@pytest.fixture(scope="module")
def rows() -> list[CaseRow]:
    return made_up_rows(40)


@pytest.fixture(scope="module", autouse=True)
def _few_trees() -> Iterator[None]:
    """Made-up rows are so simple that few trees do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grow, "TREES", 40)
        patch.setattr(grow, "RATE", 0.15)
        yield


@pytest.fixture(scope="module")
def model(rows: list[CaseRow]) -> QualityModel:
    return fit_quality_model(rows, "")[0]


@pytest.fixture(scope="module")
def fresh(model: QualityModel) -> list[Judged]:
    """Other individuals, judged by a model of the first."""
    return judge_rows(made_up_rows(80, seed=1), Judging(model))


def test_the_arrays_predict_what_scikit_learn_predicts() -> None:
    draw = np.random.default_rng(0)
    known = draw.normal(size=(200, 6)).astype(np.float32)
    model = GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=0).fit(
        known, known[:, 0] * known[:, 1]
    )
    trees = trees_from(as_arrays(model, np.zeros(6)).plain(), 6)
    fresh = draw.normal(size=(300, 6)).astype(np.float32)
    np.testing.assert_allclose(trees.predict(fresh.astype(np.float64)), model.predict(fresh), atol=1e-4)


def test_expected_dice_follows_the_true_one_of_other_individuals(fresh: list[Judged]) -> None:
    true = [each.row.dice.mean() for each in fresh]
    said = [each.expected.dice[:, 0].mean() for each in fresh if each.expected]
    assert stats.spearmanr(true, said).statistic > 0.9


@pytest.mark.parametrize("figure", list(Figure))
def test_intervals_of_ninety_percent_hold_about_as_much_of_other_individuals(
    fresh: list[Judged], figure: Figure
) -> None:
    """80 cases: a share of 0.9 has a standard error of 0.034 were a case's pairs all alike."""
    plain = [each for each in fresh if each.row.cause == "as is"]
    assert 0.82 < pairs_of(plain, figure).held.mean() <= 1


def test_bad_results_are_not_accepted_and_good_ones_are(fresh: list[Judged]) -> None:
    bad, good = ([each.accepted for each in fresh if getattr(each.row, kind)] for kind in ("bad", "good"))
    assert len(bad) >= 20
    assert len(good) >= 20
    assert np.mean(bad) < 0.1
    assert np.mean(good) > 0.8


def test_the_age_is_found_again(fresh: list[Judged]) -> None:
    off = [abs(each.age.weeks - each.row.age) for each in fresh if each.age and each.row.cause == "as is"]
    assert np.mean(off) < 0.7


def test_all_volumes_of_an_individual_are_left_out_together(rows: list[CaseRow]) -> None:
    folds = folds_of(rows)
    assert len(set(folds.tolist())) == 5
    for row, fold in zip(rows, folds, strict=True):
        assert all(f == fold for r, f in zip(rows, folds, strict=True) if r.individual == row.individual)


def test_a_volume_that_was_refused_is_rejected_and_teaches_nothing(rows: list[CaseRow], model: QualityModel) -> None:
    refused = CaseRow("a, as is", "made-up", "a", "as is", 28.0, False, refused="is a mask")
    assert len(Table.of([*rows, refused]).rows) == len(rows)
    assert str(judge_rows([refused], Judging(model))[0].judgement.verdict) == "reject"


def test_too_few_individuals_are_one_line() -> None:
    with pytest.raises(FetaError, match="too few"):
        fit_quality_model(made_up_rows(4), "")


def test_the_model_says_the_same_once_it_was_written_and_read(
    rows: list[CaseRow], model: QualityModel, tmp_path: Path
) -> None:
    write_quality_model(tmp_path / "confidence.json", model)
    again = read_quality_model(tmp_path)
    first, second = (judge_rows(rows[:3], Judging(each))[0].expected for each in (model, again))
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.dice, second.dice, atol=1e-3)


def test_rows_are_kept_and_a_line_that_was_cut_off_is_left_out(rows: list[CaseRow], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row in rows[:2]:
        write_row(path, row)
    with path.open("a") as stream:
        stream.write('{"name": "cut')
    found = read_rows([path])
    assert [row.name for row in found] == [row.name for row in rows[:2]]
    np.testing.assert_allclose(
        found[0].signals(with_age=True).of_lengths(), rows[0].signals(with_age=True).of_lengths(), rtol=1e-5
    )


def test_the_report_of_left_out_individuals_has_a_row_a_cause_and_a_row_a_group(
    rows: list[CaseRow], model: QualityModel
) -> None:
    text = "\n".join(report(judged_across(rows, 2), model))
    for word in (
        "| noise |",
        "| as is |",
        "| length | LCC |",
        "| length | ill |",
        "risk–coverage area",
        "| made-up | ill |",
    ):
        assert word in text


def test_rows_of_the_report_s_tables_are_as_long_as_their_headers(fresh: list[Judged], model: QualityModel) -> None:
    lines = list(report(fresh, model))
    for at, line in enumerate(lines):
        for header in (part for part in line.split("\n") if part.startswith("|---")):
            columns = header.count("|")
            assert lines[at + 1].startswith("|")
            assert lines[at + 1].count("|") == columns


def test_rows_of_an_earlier_release_are_left_out(rows: list[CaseRow], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row in rows[:2]:
        write_row(path, row)
    first, second = path.read_text().splitlines()
    content = json.loads(first)
    del content["folding"]
    path.write_text(json.dumps(content) + "\n" + second + "\n")
    assert [row.name for row in read_rows([path])] == [rows[1].name]


@pytest.mark.parametrize("folding", [2.125, float("nan")])
def test_a_kept_row_is_as_folded_as_it_was(rows: list[CaseRow], tmp_path: Path, folding: float) -> None:
    write_row(tmp_path / "rows.jsonl", replace(rows[0], folding=folding))
    (found,) = read_rows([tmp_path / "rows.jsonl"])
    assert found.folding == pytest.approx(folding, nan_ok=True)
    assert found.signals(with_age=True).folding == pytest.approx(folding, nan_ok=True)


def test_the_risk_coverage_area_of_a_known_order() -> None:
    """Risks 0 and 1: surest first 0, then their mean."""
    assert risk_coverage(np.array([1.0, 0.0]), np.array([0.1, 0.9])) == pytest.approx((0 + 0.5) / 2)
    assert risk_coverage(np.array([1.0, 0.0]), None) == 0.5
