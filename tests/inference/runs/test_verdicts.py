"""The verdict of a run, in run.json, in the table of the cohort and on the last line of each case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feta.cases import find_cases
from feta.volumes import Volume, read_volume, write_volume
from inference.morphometry.length_errors import NAME as LENGTH_ERRORS
from inference.morphometry.length_errors import LengthErrors, write_length_errors
from inference.runs.outputs import CaseJob, folder_jobs, jobs_2021
from inference.runs.run import run
from inference.runs.run_log import verdicts_in
from inference.runs.settings import Settings
from inference.runs.summary import print_summary
from tests.support.folders import Counting, make_tree, make_weights

IMAGE = "sub-001/anat/sub-001_rec-mial_T2w"


def go(root: Path, jobs: Callable[..., list[CaseJob]] = folder_jobs, out: str = "out") -> dict[str, Any]:
    found = find_cases(root / "in")
    settings = Settings(make_weights(root / "weights"))
    run(jobs(found.cases, root / out), settings, root=root / out, load=Counting().load)
    return dict(json.loads((root / out / "run.json").read_text())["cases"])


def change(root: Path, array: Callable[[np.ndarray], np.ndarray]) -> None:
    """Other values in the volume of the first case."""
    path = root / "in" / f"{IMAGE}.nii.gz"
    volume = read_volume(path)
    write_volume(path, Volume(array(volume.array).astype(np.float32), volume.grid))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_tree(tmp_path / "in", 2)
    return tmp_path


def test_nothing_is_accepted_of_weights_whose_errors_nobody_measured(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = go(tree)[IMAGE]
    assert case["verdict"] != "accept"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if f"{IMAGE}: done" in line]
    assert "; check: " in line
    assert (tree / "out" / f"{IMAGE}_confidence.csv").read_text() == "case,measure,target,value,low,high\n"


def test_a_finished_case_keeps_its_verdict(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = go(tree)[IMAGE]
    capsys.readouterr()
    again = go(tree)[IMAGE]
    said = [line for line in capsys.readouterr().err.splitlines() if "already finished" in line]
    assert [line.partition(": ")[2].partition("; ")[0] for line in said] == ["already finished"] * 2  # in no time
    assert again["status"] == "skipped"
    assert (again["verdict"], again["verdict_reasons"]) == (first["verdict"], first["verdict_reasons"])


def test_what_is_refused_before_it_is_segmented_is_rejected(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(tree, lambda array: array > 0)
    case = go(tree)[IMAGE]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if f"{IMAGE}: failed" in line]
    assert line.endswith("; reject")
    assert (case["status"], case["verdict"]) == ("failed", "reject")
    assert "a mask" in case["verdict_reasons"][0]["text"]
    table = pd.read_csv(tree / "out" / "cohort.tsv", sep="\t", index_col="case")
    assert list(table.verdict) == ["reject", "check"]
    assert "a mask" in table.verdict_reasons[IMAGE]
    assert sorted(verdicts_in(tree / "out")) == ["check", "reject"]


def test_label_maps_alone_are_judged_by_the_same_rules(tree: Path) -> None:
    """Half a brain shows where the label map is brought upright, which nothing else of such a call needs."""
    change(tree, lambda array: np.where(np.arange(array.shape[2]) < array.shape[2] // 2, array, 0))
    whole, alone = (go(tree, jobs, out)[IMAGE] for jobs, out in ((folder_jobs, "out"), (jobs_2021, "maps")))
    assert any("halves of the brain are unlike" in reason["text"] for reason in alone["verdict_reasons"])
    assert alone["verdict_reasons"] == whole["verdict_reasons"]


def test_one_scan_ends_with_its_verdict(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(tree)
    (job, *_) = folder_jobs(find_cases(tree / "in").cases, tree / "out")
    print_summary(job)
    assert "\nverdict: check: " in capsys.readouterr().out


def test_of_an_nnunet_copied_beside_our_networks_nobody_knows_the_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What confidence.json holds was measured of ours: by it another network's label maps would be accepted."""
    monkeypatch.setattr("inference.runs.settings.read_quality_model", lambda folder, _networks: folder)
    weights = make_weights(tmp_path / "weights")
    (weights / "confidence.json").write_text("{}")
    write_length_errors(weights / LENGTH_ERRORS, LengthErrors({"atrium": (-0.1, 0.1)}))
    settings = Settings(weights)
    assert settings.length_errors().shares
    assert settings.result_key()["further_lengths"] is not None
    assert settings.quality_model() is not None
    assert settings.result_key()["confidence"] is not None
    results = weights / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    (results / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        (results / name).write_text("{}")
    assert settings.quality_model() is None
    assert settings.result_key()["confidence"] is settings.result_key()["further_lengths"] is None
    assert settings.length_errors() == LengthErrors()
    # A results folder by itself may have a model of its own errors in it.
    assert Settings(results).quality_model() is not None
