import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.engine.loop import train
from training.engine.optimisers import LoopSettings

#: What a run of these tests is made of.
NOTHING = {"settings": {}}


class Line:
    """Fits y = 3x; remembers which seeds it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        assert 0 <= done <= 1
        self.seen += seeds
        x = torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(s)) for s in seeds])[..., None]
        return (network(x) - 3 * x).square().mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        return {"slope": float(network.weight.detach())}  # type: ignore[union-attr,operator]


def _line() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(1, 1, bias=False)


def test_it_learns_and_logs(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = LoopSettings(steps=200, learning_rate=0.1, warmup=5, ema=0.9, validate_every=50)
    average = train(_line(), Line(), settings, tmp_path, lines.append, NOTHING)
    assert float(average.weight) == pytest.approx(3, abs=0.05)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [row["step"] for row in rows] == ["50", "100", "150", "200"]
    assert any("min left" in line for line in lines)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    class Killed(Line):
        def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
            if len(self.seen) == 12:
                raise KeyboardInterrupt
            return super().loss(network, seeds, done)

    settings = LoopSettings(steps=20, validate_every=100, checkpoint_minutes=0.0)
    whole = Line()
    expected = train(_line(), whole, settings, tmp_path / "whole", lambda line: None, NOTHING)
    first, second = Killed(), Line()
    with pytest.raises(KeyboardInterrupt):
        train(_line(), first, settings, tmp_path / "cut", lambda line: None, NOTHING)
    resumed = train(_line(), second, settings, tmp_path / "cut", lambda line: None, NOTHING)
    assert first.seen + second.seen == whole.seen
    assert torch.equal(resumed.weight, expected.weight)  # type: ignore[arg-type]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    settings = LoopSettings(steps=5)
    done = train(_line(), Line(), settings, tmp_path, lambda line: None, NOTHING)
    again = Line()
    assert torch.equal(train(_line(), again, settings, tmp_path, lambda line: None, NOTHING).weight, done.weight)  # type: ignore[arg-type]
    assert again.seen == []
