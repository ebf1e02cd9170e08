"""Scores without ranks and report, as phases need them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np

import evaluation.ranking.results as results_module
from evaluation.analysis.results_folder import read_results
from evaluation.report.write import write_outputs, write_tables
from evaluation.scoring.messages import ScoringMessages
from tests.support.made_up_scores import made_up_table


def test_they_are_the_same_as_beside_a_report(tmp_path: Path, no_plots: None) -> None:
    table = made_up_table(3, 6)
    write_tables(tmp_path / "alone", table, ScoringMessages(), scheme="per-case")
    write_outputs(tmp_path / "full", table, ScoringMessages())
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "biometry.csv",
        "results.json",
        "scores.csv",
    ]
    for name in ("scores.csv", "biometry.csv"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "full" / name).read_bytes()
    alone, full = read_results(tmp_path / "alone"), read_results(tmp_path / "full")
    np.testing.assert_array_equal(alone.values, full.values)


def test_their_results_follow_the_schema_and_name_the_scheme(tmp_path: Path) -> None:
    write_tables(tmp_path, made_up_table(2, 3), ScoringMessages(), scheme="per-case", seed=4)
    results = json.loads((tmp_path / "results.json").read_text())
    schema = Path(results_module.__file__).with_name("results.schema.json")
    jsonschema.validate(results, json.loads(schema.read_text()))
    assert (results["scheme"], results["seed"], results["segmentation"]) == ("per-case", 4, [])
