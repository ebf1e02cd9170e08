"""The page of an analysis and its tables, and the commands as they are called."""

from __future__ import annotations

import base64
import csv
import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation import cli
from evaluation.analysis.domain_shift import Analysis, analyse
from evaluation.analysis.effects import spread
from evaluation.analysis.factors import factors_of
from evaluation.analysis.forest import ForestSettings
from evaluation.analysis.shift_plots import swarm
from evaluation.analysis.shift_report import effect_lines, render_analysis, write_analysis
from evaluation.analysis.simulated import SetEffects, simulated_study
from evaluation.commands.common import FINE, UNUSABLE
from evaluation.report.write import write_outputs
from evaluation.scoring.messages import ScoringMessages
from tests.support.html_page import Page
from tests.support.made_up_scores import made_up_table

ATTACK = '"><script>alert(1)</script>{{ 7*7 }}$\\frac{1}{0}$'


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    study = simulated_study(60, SetEffects(), 0)
    cases = tuple(replace(c, site=ATTACK if c.site == "CHUV" else c.site) for c in study.cases)
    dice = study.targets["dice"].copy()
    dice[3] = np.nan
    noise = np.random.default_rng(0).normal(size=60)
    hostile = replace(study, cases=cases, factors=tuple(factors_of(cases)), targets={"dice": dice, "ed": noise})
    return analyse(hostile, ForestSettings(), permutations=3, visible=False)


@pytest.fixture(scope="module")
def page(analysis: Analysis) -> Page:
    return Page(render_analysis(analysis, command=ATTACK))


def test_nothing_is_fetched_and_names_are_text(page: Page) -> None:
    addresses = [a[name] for _, a in page.tags for name in ("src", "href") if name in a]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert len(page.all("script")) == 1
    assert ATTACK in page.text
    for image in page.all("img"):
        svg = base64.b64decode(image["src"].split(",", 1)[1]).decode()
        assert not re.search(r'href="(?!#|data:)|<script', svg)
        assert image["alt"].strip()


def test_every_metric_has_its_r2_and_a_warning_where_nothing_is_explained(page: Page, analysis: Analysis) -> None:
    for shift in analysis.shifts:
        assert f"{shift.r2:.2f}" in page.text
    assert [s.metric for s in analysis.shifts if s.explains_nothing] == ["ed"]
    assert page.text.count("The forest explains nothing") == 1
    lines = effect_lines(analysis)
    assert any("explains nothing" in line for line in lines)
    assert lines[0].startswith("Factor\tRange\tBy chance")
    assert {line.count("\t") for line in lines if not line.startswith("#")} == {6}


def test_a_case_without_a_value_is_in_no_forest(analysis: Analysis) -> None:
    assert {s.metric: s.cases for s in analysis.shifts} == {"dice": 59, "ed": 60}


def test_tables_hold_what_the_page_shows(analysis: Analysis, tmp_path: Path) -> None:
    write_analysis(tmp_path, analysis)
    effects = list(csv.DictReader((tmp_path / "effects.csv").open()))
    assert [(r["metric"], r["factor"]) for r in effects] == [
        (s.metric, e.factor.name) for s in analysis.shifts for e in s.effects
    ]
    shap = list(csv.DictReader((tmp_path / "shap.csv").open()))
    dice = [r for r in shap if r["metric"] == "dice"]
    assert len(dice) == 59 * 4
    assert analysis.study.cases[3].name not in {r["case"] for r in dice}
    shown = {r["case"]: r["value"] for r in dice if r["factor"] == "pathology"}
    assert all(shown[c.name] == c.pathology for c in analysis.study.cases if c.name in shown)
    sites = list(csv.DictReader((tmp_path / "quality_by_site.csv").open()))
    assert float(sites[0]["r"]) == pytest.approx(analysis.correlations[0].r)


def test_a_range_is_the_difference_of_the_means_in_the_table_of_shap_values(analysis: Analysis, tmp_path: Path) -> None:
    write_analysis(tmp_path, analysis)
    rows = [r for r in csv.DictReader((tmp_path / "shap.csv").open()) if r["factor"] == "pathology"]
    means = [
        np.mean([float(r["shap"]) for r in rows if (r["metric"], r["value"]) == ("dice", name)])
        for name in ("Neurotypical", "Pathological")
    ]
    effect = next(e for e in analysis.shifts[0].effects if e.factor.name == "pathology")
    assert effect.size == pytest.approx(abs(means[0] - means[1])) == pytest.approx(spread(effect.means))


def test_a_swarm_spreads_equal_values_and_leaves_lone_ones() -> None:
    offsets = swarm(np.array([0.0, 0, 0, 5, 9]), 9.0)
    assert sorted(offsets[:3]) == [-1, 0, 1]
    assert offsets[3:].tolist() == [0, 0]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("evaluation.report.write.render", lambda *_, **__: "")
    write_outputs(tmp_path / "scores", made_up_table(("a", "b"), 36), ScoringMessages())
    return tmp_path / "scores"


def test_analyse_as_it_is_called(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("evaluation.analysis.domain_shift.effect_of", quick_effect)
    monkeypatch.setattr("evaluation.analysis.study.RANKED_METRICS", ("dice",))
    assert run(monkeypatch, "analyse", results, tmp_path / "out", "--team", "b") == FINE
    said = capsys.readouterr()
    assert "# Dice, 36 cases" in said.out
    assert "analysis.html" in said.err
    assert "--team b" in Page((tmp_path / "out" / "analysis.html").read_text()).text


def quick_effect(*arguments: object, **options: object) -> object:
    from evaluation.analysis.effects import effect_of

    return effect_of(*arguments, **{**options, "permutations": 1, "visible": False})  # type: ignore[arg-type]


def test_compare_editions_as_it_is_called(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run(monkeypatch, "compare-editions", results, results, tmp_path / "out") == FINE
    assert "36 shared cases" in capsys.readouterr().out
    assert (tmp_path / "out" / "editions.csv").stat().st_size > 0


def test_without_the_extra_one_line_says_so(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "shap" else known(name, *a))
    assert run(monkeypatch, "analyse", results, tmp_path / "out") == UNUSABLE
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "shap not installed" in lines[0]
    assert "[analysis]" in lines[0]


def test_estimates_of_another_table_are_refused(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert run(monkeypatch, "analyse", results, tmp_path / "out", "--quality", other) == UNUSABLE
    assert "quality estimate" in capsys.readouterr().err
