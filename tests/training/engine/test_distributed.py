"""Two processes on one CPU, as torchrun starts them, against one process with the whole batch."""

from __future__ import annotations

import csv
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from feta.errors import FetaError
from feta.lock import locked
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from tests.support.forked import start
from tests.support.mixed_batches import BATCHES
from tests.support.tiny_subjects import write_balls
from training.engine import distributed
from training.engine.loop import train
from training.engine.optimisers import LoopSettings

#: The command line in float32: in bfloat16 a sum of rounded gradients is not the rounded sum.
FLOAT32 = (
    "import torch, inference.networks.device as device; device.cpu_dtype = lambda: torch.float32\n"
    "from training.cli import main; main()"
)
pytestmark = pytest.mark.slow
SETTINGS = {
    "network": {"widths": [2, 4], "blocks": [1, 1], "heads": 1},
    "synthesis": {"size": 16, "spacing": 6.0},
    "losses": {"cl_dice": 0.2, "euler": 0.001},
    # By SGD weights follow small gradients in proportion; AdamW would make the most of a rounding error.
    "loop": {"steps": 3, "batch": 2, "validate_every": 1, "optimiser": "sgd", "learning_rate": 0.1, "warmup": 1},
}


def _call(root: Path, run: str, *options: str) -> list[str]:
    call = [sys.executable, "-c", FLOAT32, "fit", "segmentation", str(root / "data"), str(root / run)]
    return [*call, "--config", str(root / "s.yaml"), "--threads", "1", "--device", "cpu", "--everything", *options]


def _alone(call: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        status, errors = start(call, {}, Path(folder) / "errors").wait(300)
    assert status == 0, errors


def _together(call: list[str], status: int = 0) -> list[str]:
    """What torchrun does: the same call twice, with each process's number and a common address; what each says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in (0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        processes = [start(call, address | rank, Path(folder) / rank["RANK"]) for rank in ranks]
        ended = [process.wait(300) for process in processes]
    said = [errors for _, errors in ended]
    assert [found for found, _ in ended] == [status, status], said
    return said


def _losses(run: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((run / "log.csv").read_text().splitlines())]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps by one process, and by two."""
    root = tmp_path_factory.mktemp("together")
    write_balls(root / "data", ("sub-a", "sub-b"), side=24, spacing=4.0)
    (root / "s.yaml").write_text(yaml.safe_dump(SETTINGS))
    _alone(_call(root, "one"))
    _together(_call(root, "two"))
    return root


def test_two_processes_have_the_losses_of_one(runs: Path) -> None:
    assert _losses(runs / "two") == pytest.approx(_losses(runs / "one"), abs=2e-5)
    assert len(_losses(runs / "two")) == 3


def test_two_processes_learn_the_weights_of_one(runs: Path) -> None:
    torch.manual_seed(0)  # as the run did
    one, two = (torch.load(runs / run / "checkpoint.pt", weights_only=True)["network"] for run in ("one", "two"))
    start = ResidualUNet(NetworkSettings(widths=(2, 4), blocks=(1, 1), heads=1)).state_dict()
    for name, weights in one.items():
        assert torch.allclose(two[name], weights, atol=1e-4), name
    assert max(float((weights - start[name]).abs().max()) for name, weights in one.items()) > 0.01


def test_two_processes_go_on_with_a_run_of_one(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "on").mkdir()
    state = torch.load(runs / "one" / "checkpoint.pt", weights_only=True)
    torch.save(state, tmp_path / "on" / "checkpoint.pt")
    (tmp_path / "data").symlink_to(runs / "data")
    (tmp_path / "s.yaml").write_text((runs / "s.yaml").read_text())
    _together(_call(tmp_path, "on", "--steps", "4"))
    resumed = torch.load(tmp_path / "on" / "checkpoint.pt", weights_only=True)
    assert resumed["step"] == 4
    assert len(_losses(tmp_path / "on")) == 1


def test_what_the_first_process_refuses_is_said_once(runs: Path) -> None:
    """The others can't know: they need not see the folder of the run."""
    held = _call(runs, "two", "--steps", "9")
    with locked(runs / "two" / "run.lock"):
        said = [_together(held, status=2)]
    said.append(_together(_call(runs, "new", "--pretrained", str(runs / "none")), status=2))
    said.append(_together(_call(runs, "two", "--only", "sub-a"), status=2))
    for words, (first, second) in zip(("at work there", "does not exist", "was begun with"), said, strict=True):
        assert words in first
        assert "Traceback" not in first + second
        assert "feta-train" not in second


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Losses and gradients of ``mixed_batches``, by one process and by two."""
    root = tmp_path_factory.mktemp("mixed")
    program = "import sys; from tests.support import mixed_batches as m; m.main(sys.argv[1])"
    call = [sys.executable, "-c", program]
    _alone([*call, str(root / "one")])
    _together([*call, str(root / "two")])
    return torch.load(root / "one"), torch.load(root / "two")


@pytest.mark.parametrize("kinds", BATCHES)
def test_label_sets_may_be_spread_unevenly(mixed: tuple[dict[str, Any], dict[str, Any]], kinds: str) -> None:
    (loss, gradients), (of_two, gradients_of_two) = (by[kinds] for by in mixed)
    assert of_two == pytest.approx(loss, abs=1e-5)
    assert len(gradients_of_two) == len(gradients) > 0
    for mine, expected in zip(gradients_of_two, gradients, strict=True):
        assert torch.allclose(mine, expected, rtol=1e-4, atol=1e-5)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0.01


def test_a_batch_that_does_not_divide_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "size", lambda: 2)
    with pytest.raises(FetaError, match="3 samples do not divide among 2"):
        train(torch.nn.Linear(1, 1), None, LoopSettings(batch=3), tmp_path, print, {})  # type: ignore[arg-type]


def test_processes_that_were_not_joined_are_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(FetaError, match="one process"):
        train(torch.nn.Linear(1, 1), None, LoopSettings(), tmp_path, print, {})  # type: ignore[arg-type]
