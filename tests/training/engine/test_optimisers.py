import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from training.engine.loop import train
from training.engine.optimisers import LoopSettings, Optimiser, learning_rate, make_optimiser, sam_perturbed

#: What a run of these tests is made of.
NOTHING = {"settings": {}}
QUICK = LoopSettings(steps=60, learning_rate=0.05, warmup=1, momentum=0.8, ema=0.5)


class Valley:
    """A quadratic with its lowest point at (2, −1)."""

    def __init__(self) -> None:
        self.calls = 0

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        self.calls += 1
        weights: Tensor = network.weight[0]  # type: ignore[index,assignment]
        return ((weights - torch.tensor([2.0, -1.0])) ** 2 * torch.tensor([1.0, 3.0])).sum()

    def validate(self, network: nn.Module) -> dict[str, float]:
        return {}


def _pair() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(2, 1, bias=False)


@pytest.mark.parametrize("kind", Optimiser)
def test_each_optimiser_goes_downhill(kind: Optimiser, tmp_path: Path) -> None:
    settings = replace(QUICK, optimiser=kind, learning_rate=0.05 if kind is Optimiser.SGD else 0.3)
    weight = train(_pair(), Valley(), settings, tmp_path, lambda line: None, NOTHING).weight
    assert torch.allclose(weight, torch.tensor([[2.0, -1.0]]), atol=0.1)


def test_sam_asks_for_two_losses_a_step(tmp_path: Path) -> None:
    task = Valley()
    train(_pair(), task, replace(QUICK, steps=3, optimiser=Optimiser.SAM), tmp_path, lambda line: None, NOTHING)
    assert task.calls == 6


def test_sam_steps_by_the_gradient_of_the_point_uphill(tmp_path: Path) -> None:
    """Worked out apart: of f = Σ cᵢ(wᵢ − tᵢ)² at w + ρ·g/|g|, g = 2c(w − t); then one step of AdamW by it."""
    settings = replace(QUICK, steps=1, optimiser=Optimiser.SAM, radius=0.5, clip=math.inf)
    start = _pair().weight.detach().double()[0]
    scale, target = torch.tensor([1.0, 3.0]).double(), torch.tensor([2.0, -1.0]).double()
    gradient = 2 * scale * (start - target)
    uphill = start + 0.5 * gradient / gradient.norm()
    expected = nn.Parameter(start.clone())
    expected.grad = 2 * scale * (uphill - target)
    torch.optim.AdamW([expected], lr=settings.learning_rate, weight_decay=settings.weight_decay).step()
    network = _pair()
    train(network, Valley(), settings, tmp_path, lambda line: None, NOTHING)
    assert torch.allclose(network.weight[0].double(), expected, atol=1e-6)


@given(st.floats(0.001, 2), st.integers(0, 99))
def test_the_climb_is_as_long_as_asked_and_taken_back_exactly(radius: float, seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    network(torch.randn(5, 3)).square().sum().backward()
    before = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
    with sam_perturbed(network, radius):
        there = torch.cat([p.detach().flatten() for p in network.parameters()])
        assert float((there - before).norm()) == pytest.approx(radius, rel=1e-3)
    assert torch.equal(torch.cat([p.detach().flatten() for p in network.parameters()]), before)


@given(st.floats(0, 1), st.integers(100, 5000))
def test_sgd_decays_as_in_nnunet(done: float, step: int) -> None:
    settings = LoopSettings(optimiser=Optimiser.SGD, learning_rate=0.01, warmup=1)
    assert learning_rate(settings, step, done) == pytest.approx(0.01 * (1 - done) ** 0.9)


def test_adamw_decays_along_half_a_cosine() -> None:
    settings = LoopSettings(learning_rate=0.2, warmup=10)
    assert [learning_rate(settings, 50, done) for done in (0, 0.5, 1)] == pytest.approx([0.2, 0.1, 0])
    assert learning_rate(settings, 4, 0) == pytest.approx(0.1)


def test_sgd_is_nesterov() -> None:
    group = make_optimiser(_pair(), LoopSettings(optimiser=Optimiser.SGD)).param_groups[0]
    assert (group["nesterov"], group["momentum"]) == (True, 0.99)
