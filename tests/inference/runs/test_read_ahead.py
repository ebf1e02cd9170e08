"""Beside a GPU the next case's volume is read while the present one is computed: on a stand-in for the GPU."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feta.cases import find_cases
from feta.volumes import Volume, read_volume, write_volume
from inference.geometry.segmentation_result import Segmentation
from inference.runs import at_once
from inference.runs.models import Models
from inference.runs.outputs import Looks, folder_jobs
from inference.runs.run import run
from inference.runs.settings import Settings
from tests.support.folders import Counting, damage, make_tree, make_weights


class Gpu(Counting):
    """A stand-in that says that it computes on a GPU.

    Args:
        waits: the first so many cases end only when another volume than theirs was begun, or after a minute.
        on_gpu: what it says.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waits: int, *, on_gpu: bool = True) -> None:
        super().__init__()
        self.waits, self.on_gpu = waits, on_gpu
        #: The volumes in the order of being read, and how many were by the time that each case was computed.
        self.read: list[str] = []
        self.read_by: list[int] = []
        self.more = threading.Condition()
        monkeypatch.setattr(at_once, "read_image", self.read_image)

    def read_image(self, path: Path) -> Volume:
        with self.more:
            self.read.append(path.name.partition("_")[0])
            self.more.notify()
        return read_volume(path)

    def load(self, settings: Settings) -> Models:
        return replace(super().load(settings), on_gpu=self.on_gpu)

    def __call__(self, volume: Volume) -> Segmentation:
        with self.more:
            if self.calls < self.waits:
                self.more.wait_for(lambda: len(self.read) > self.calls + 1, 60)
            self.read_by.append(len(self.read))
        return super().__call__(volume)


def go(tmp_path: Path, model: Counting, out: str = "out") -> int:
    settings = Settings(make_weights(tmp_path / "weights"), workers=1)
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / out, Looks(report=False))
    return run(jobs, settings, root=tmp_path / out, load=model.load)[0]


def outcomes(tmp_path: Path) -> list[str]:
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    return [case["status"] for case in written["cases"].values()]


def volume_of(tmp_path: Path, n: int) -> Path:
    return tmp_path / f"in/sub-{n:03d}/anat/sub-{n:03d}_rec-mial_T2w.nii.gz"


def test_each_case_sees_the_next_one_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 3)
    model = Gpu(monkeypatch, waits=2)
    assert go(tmp_path, model) == 0
    assert model.read == ["sub-001", "sub-002", "sub-003"]
    assert model.read_by == [2, 3, 3]


def test_without_a_gpu_each_is_read_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 3)
    model = Gpu(monkeypatch, waits=0, on_gpu=False)
    assert go(tmp_path, model) == 0
    assert model.read_by == [1, 2, 3]


def test_one_that_is_large_is_read_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of half a gigavoxel takes gigabytes, which must not be the end of the case before it."""
    make_tree(tmp_path / "in", 4)
    image = read_volume(volume_of(tmp_path, 3))
    larger = np.concatenate([image.array, image.array[-1:]])
    x, y, z = image.grid.size
    write_volume(volume_of(tmp_path, 3), Volume(larger, replace(image.grid, size=(x, y, z + 1))))
    monkeypatch.setattr(at_once, "_MOST_AHEAD", image.array.size)
    model = Gpu(monkeypatch, waits=1)
    assert go(tmp_path, model) == 0
    assert model.read_by[:2] == [2, 2]
    assert model.read == ["sub-001", "sub-002", "sub-003", "sub-004"]


def test_what_comes_out_is_what_comes_out_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 3)
    assert go(tmp_path, Counting(), "without") == 0
    assert go(tmp_path, Gpu(monkeypatch, waits=2), "with") == 0
    without, ahead = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*_dseg.nii.gz")}
        for name in ("without", "with")
    )
    assert len(without) == 3
    assert without == ahead


def test_a_broken_volume_fails_in_its_own_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 3)
    damage(volume_of(tmp_path, 2))
    model = Gpu(monkeypatch, waits=1)
    assert go(tmp_path, model) == 1
    assert outcomes(tmp_path) == ["done", "failed", "done"]
    said = capfd.readouterr().err
    assert said.count("error: ") == 1
    assert (
        said.index("sub-001_rec-mial_T2w: done") < said.index("error: ") < said.index("sub-003_rec-mial_T2w: started")
    )


def test_one_that_is_finished_already_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 3)
    assert go(tmp_path, Counting()) == 0
    for n in (1, 3):
        next((tmp_path / "out").rglob(f"sub-00{n}*_biom.csv")).unlink()
    model = Gpu(monkeypatch, waits=1)
    assert go(tmp_path, model) == 0
    assert model.calls == 2
    assert outcomes(tmp_path) == ["done", "skipped", "done"]


def test_a_gpu_that_is_full_costs_no_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "in", 3)

    class Full(Gpu):
        def __call__(self, volume: Volume) -> Segmentation:
            found = super().__call__(volume)
            if self.calls == 1:
                raise RuntimeError("CUDA error: out of memory")
            return found

    model = Full(monkeypatch, waits=1)
    assert go(tmp_path, model) == 0
    assert outcomes(tmp_path) == ["done"] * 3
