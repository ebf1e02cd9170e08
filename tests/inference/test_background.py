"""A background of −1 gives the results of one of 0, from the command line on, by real networks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feta.volumes import Volume, read_volume, write_volume
from tests.support.networks import write_tiny_weights
from tests.support.textured_ball import write_image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


def test_results_are_those_with_a_background_of_zero(tmp_path: Path, weights: Path) -> None:
    zero = read_volume(write_image(tmp_path / "in" / "sub-1_rec-a_T2w.nii.gz"))
    padded = np.where(zero.array == 0, -1.0, zero.array).astype(np.float32)
    write_volume(tmp_path / "in" / "sub-1_rec-b_T2w.nii.gz", Volume(padded, zero.grid))
    call = [sys.executable, "-m", "inference", str(tmp_path / "in"), str(tmp_path / "out"), "--device", "cpu", "--fast"]
    environment = os.environ | {"FETA_WEIGHTS": str(weights)}
    done = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "background is -1: taken for 0" in done.stderr
    for ending in ("dseg.nii.gz", "biom.csv", "biom.json"):
        one, other = (tmp_path / "out" / f"sub-1_rec-{name}_T2w_{ending}" for name in "ab")
        assert one.read_bytes() == other.read_bytes()
