"""A GPU whose memory is too small: the case is done on the CPU, with one warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feta.cases import find_cases
from feta.volumes import Volume
from inference.geometry.segmentation_result import Segmentation
from inference.runs.models import Models
from inference.runs.outputs import folder_jobs
from inference.runs.run import run
from inference.runs.settings import Settings
from tests.support.folders import Counting, make_tree, make_weights
from tests.support.heads import stand_in


def log(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "run.json").read_text())


def outcomes(tmp_path: Path) -> list[str]:
    return [c["status"] for c in log(tmp_path)["cases"].values()]


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


GPU_IS_FULL = [
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


class SmallGpu(Counting):
    """A stand-in whose GPU has no room for some cases, or not for the networks; its CPU has."""

    def __init__(self, error: Exception, full: tuple[int, ...], *, at_load: bool = False) -> None:
        super().__init__()
        self.error, self.full, self.at_load = error, full, at_load
        self.on_cpu = 0

    def load(self, settings: Settings) -> Models:
        if settings.device == "cpu":
            self.loads += 1
            return Models(self.segment_on_cpu, None, "a CPU")
        if self.at_load:
            raise self.error
        return super().load(settings)

    def __call__(self, volume: Volume) -> Segmentation:
        self.calls += 1
        if self.calls in self.full:
            raise self.error
        return stand_in(volume)

    def segment_on_cpu(self, volume: Volume) -> Segmentation:
        self.on_cpu += 1
        return stand_in(volume)


def run_on(model: SmallGpu, tmp_path: Path) -> int:
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / "out")
    return run(jobs, Settings(make_weights(tmp_path / "weights")), root=tmp_path / "out", load=model.load)[0]


@pytest.mark.parametrize("error", GPU_IS_FULL, ids=lambda e: str(e)[:30])
def test_a_case_that_the_gpu_is_too_small_for_is_done_on_the_cpu(
    error: Exception, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 4)
    model = SmallGpu(error, (1, 3))
    assert run_on(model, tmp_path) == 0
    assert (model.on_cpu, model.calls, model.loads) == (2, 4, 2)
    assert outcomes(tmp_path) == ["done"] * 4
    said = capfd.readouterr().err
    assert said.count("GPU") == said.count("the GPU's memory is too small for it: done on the CPU") == 2
    assert "Traceback" not in said


def test_networks_that_the_gpu_has_no_room_for_run_on_the_cpu(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "in", 2)
    model = SmallGpu(GPU_IS_FULL[0], (), at_load=True)
    assert run_on(model, tmp_path) == 0
    assert (model.on_cpu, model.calls) == (2, 0)
    assert log(tmp_path)["device"] == "a CPU"
    assert capfd.readouterr().err.count("GPU") == 1


def test_another_fault_of_the_gpu_is_a_failed_case(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 1)
    assert run_on(SmallGpu(RuntimeError("CUDA error: an illegal memory access"), (1,)), tmp_path) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_the_cpu_s_memory_is_said_plainly(error: Exception, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path / "in", 1)
    assert run_on(SmallGpu(error, (1,)), tmp_path) == 1
    said = capfd.readouterr().err
    assert "not enough memory" in said
    assert "Traceback" not in said
