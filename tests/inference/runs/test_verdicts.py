"""The verdict of a run, in run.json, in the table of the cohort and on the last line of each case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feta.cases import find_cases
from feta.volumes import Volume, read_volume, write_volume
from inference.runs.outputs import NO_LOOKS, folder_jobs
from inference.runs.run import run
from inference.runs.run_log import verdicts_in
from inference.runs.settings import Settings
from tests.support.folders import Counting, make_tree, make_weights

IMAGE = "sub-001/anat/sub-001_rec-mial_T2w"


def go(root: Path) -> dict[str, Any]:
    found = find_cases(root / "in")
    settings = Settings(make_weights(root / "weights"))
    run(folder_jobs(found.cases, root / "out", NO_LOOKS), settings, root=root / "out", load=Counting().load)
    return dict(json.loads((root / "out" / "run.json").read_text())["cases"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_tree(tmp_path / "in", 2)
    return tmp_path


def test_nothing_is_accepted_of_weights_whose_errors_nobody_measured(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = go(tree)[IMAGE]
    assert case["verdict"] != "accept"
    assert "; check: " in capsys.readouterr().err
    assert (tree / "out" / f"{IMAGE}_confidence.csv").read_text() == "case,measure,target,value,low,high\n"


def test_a_finished_case_keeps_its_verdict(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = go(tree)[IMAGE]
    capsys.readouterr()
    again = go(tree)[IMAGE]
    said = [line for line in capsys.readouterr().err.splitlines() if "already finished" in line]
    assert [line.partition(": ")[2].partition("; ")[0] for line in said] == ["already finished"] * 2  # in no time
    assert again["status"] == "skipped"
    assert (again["verdict"], again["verdict_reasons"]) == (first["verdict"], first["verdict_reasons"])


def test_what_is_refused_before_it_is_segmented_is_rejected(tree: Path) -> None:
    path = tree / "in" / f"{IMAGE}.nii.gz"
    volume = read_volume(path)
    write_volume(path, Volume((volume.array > 0).astype(np.float32), volume.grid))
    case = go(tree)[IMAGE]
    assert (case["status"], case["verdict"]) == ("failed", "reject")
    assert "a mask" in case["verdict_reasons"][0]["text"]
    table = pd.read_csv(tree / "out" / "cohort.tsv", sep="\t", index_col="case")
    assert list(table.verdict) == ["reject", "check"]
    assert "a mask" in table.verdict_reasons[IMAGE]
    assert sorted(verdicts_in(tree / "out")) == ["check", "reject"]


def test_of_an_nnunet_copied_beside_our_networks_nobody_knows_the_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What confidence.json holds was measured of ours: by it another network's label maps would be accepted."""
    monkeypatch.setattr("inference.runs.settings.read_quality_model", lambda folder: folder)
    weights = make_weights(tmp_path / "weights")
    (weights / "confidence.json").write_text("{}")
    settings = Settings(weights)
    assert settings.quality_model() is not None
    assert settings.result_key()["confidence"] is not None
    results = weights / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (results / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (results / name).write_text("{}")
    assert settings.quality_model() is None
    assert settings.result_key()["confidence"] is None
    # A results folder by itself may have a model of its own errors in it.
    assert Settings(results).quality_model() is not None
