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

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def started(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str | Path) -> None:
    """Run an example as a program in this process."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


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
