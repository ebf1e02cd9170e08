"""The examples in Python do what they say, on made-up heads with a stand-in for the networks."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from feta.volumes import write_volume
from inference.api import call
from tests.support.folders import SMALL, Counting, make_tree, make_weights
from tests.support.infer_calls import Calls
from tests.support.networks import write_tiny_weights
from tests.support.nnunet_folders import make_folder
from tests.support.small_brains import write_team, write_truth

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def started(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str | Path) -> None:
    """Run an example as a program in this process."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_called_without_arguments_it_says_how_it_is_called(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=rf"``python examples/{example.name} [A-Z]"):
        started(monkeypatch, example.name)


def test_one_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FETA_WEIGHTS", str(make_weights(tmp_path / "weights")))
    monkeypatch.setattr("inference.api.call.load_models", Counting().load)
    call._kept.cache_clear()
    write_volume(tmp_path / "scan.nii.gz", SMALL)
    started(monkeypatch, "one_scan.py", tmp_path / "scan.nii.gz", "28.4", tmp_path / "labels.nii.gz")
    white = (np.rint(SMALL.array / 100) == 3).sum() * 8 / 1000
    assert f"{white:.1f} ml" in next(line for line in capsys.readouterr().out.splitlines() if "white matter" in line)
    assert np.asarray(nib.load(tmp_path / "labels.nii.gz").dataobj).max() == 7
    with pytest.raises(SystemExit, match="does not exist"):
        started(monkeypatch, "one_scan.py", tmp_path / "none.nii.gz", "28.4", tmp_path / "labels.nii.gz")
    call._kept.cache_clear()


def test_read_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls = Calls(tmp_path, monkeypatch)
    assert calls(make_tree(tmp_path / "in", 2), tmp_path / "out", "--no-qc", "--no-report") == 0
    capsys.readouterr()
    started(monkeypatch, "read_results.py", tmp_path / "out")
    said = capsys.readouterr().out
    table = pd.read_csv(next((tmp_path / "out").rglob("sub-001*_volumes.tsv")), sep="\t", na_values="n/a")
    brain = table.set_index("measure").loc["total_brain", "value"]
    assert f"sub-001_rec-mial_T2w_volumes.tsv brain {brain:.3f} ml" in said
    assert "2 cases in cohort.tsv" in said


def test_score_two_teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A team that is a perfect copy, and one that is a voxel off and lacks a case."""
    monkeypatch.chdir(EXAMPLES.parent)
    truth = write_truth(tmp_path / "truth")
    write_team(tmp_path / "teams" / "exact")
    write_team(tmp_path / "teams" / "shifted", cases=2, shift=1)
    started(monkeypatch, "score_two_teams.py", truth, tmp_path / "teams", tmp_path / "scores")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1. exact: Dice 1.000, HD95 0.00 mm, rank in 95 % of bootstrap samples: ")
    assert said[1].startswith("2. shifted: Dice 0.")
    assert said[2] == "shifted: 7 labels have penalties: missing-file"
    with pytest.raises(SystemExit, match="2"):
        started(monkeypatch, "score_two_teams.py", tmp_path / "none", tmp_path / "teams", tmp_path / "scores")


def test_bring_nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Networks with random weights, loaded and run as they are; a scan that can't be read stops none."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("FETA_WEIGHTS", str(write_tiny_weights(tmp_path / "weights")))
    results = make_folder(tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    write_volume(tmp_path / "scans" / "good.nii.gz", SMALL)
    (tmp_path / "scans" / "broken.nii.gz").write_bytes(b"no volume")
    started(monkeypatch, "bring_nnunet.py", results, tmp_path / "scans", tmp_path / "out")
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert "broken.nii.gz" in said.err
    labels = np.asarray(nib.load(tmp_path / "out" / "good.nii.gz").dataobj)
    assert labels.shape == SMALL.array.shape[::-1]
    grey = (labels == 2).sum() * np.prod(SMALL.grid.spacing) / 1000
    assert f"GM {grey:.1f} ml" in said.out
    assert not (tmp_path / "out" / "broken.nii.gz").exists()
    with pytest.raises(SystemExit, match=r"model\.yaml: cannot be read"):
        started(monkeypatch, "bring_nnunet.py", tmp_path / "scans", tmp_path / "scans", tmp_path / "out")
