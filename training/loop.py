"""The training loop that every network shares: AdamW, cosine decay, EMA of the weights, checkpoints, a log.

A run lives in a folder. Killed at any step, it goes on from its last checkpoint.
"""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from feta.errors import FetaError


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast.

    Attributes:
        steps: at which training ends.
        minutes: of computing after which it ends, whichever is first; the learning rate follows.
        learning_rate: the largest, after the warm-up.
        warmup: steps until it is reached.
        weight_decay: of AdamW.
        ema: decay of the averaged weights a step.
        batch: samples a step.
        seed: of the samples and the first weights.
        validate_every: steps.
        checkpoint_minutes: between checkpoints.
    """

    steps: int = 4000
    minutes: float = math.inf
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    ema: float = 0.995
    batch: int = 1
    seed: int = 0
    validate_every: int = 500
    checkpoint_minutes: float = 2.0


class Task(Protocol):
    """What a network is trained for."""

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of the samples that these seeds make; ``done`` is the share of the training that lies behind."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures on the validation subjects."""


@dataclass
class _Progress:
    step: int = 0
    seconds: float = 0.0


def train(
    network: nn.Module,
    task: Task,
    settings: LoopSettings,
    folder: Path,
    say: Callable[[str], None],
    start: Path | None = None,
) -> nn.Module:
    """Train, or go on training, and return the network with averaged weights.

    Args:
        network: freshly made; overwritten by the checkpoint where there is one.
        task: gives losses and validation figures.
        settings: how long and how fast.
        folder: of the run: ``checkpoint.pt``, ``log.csv``.
        say: takes a line of progress.
        start: folder of another run, from whose averaged weights a new run starts.

    Raises:
        FetaError: there is no run to start from, or its network is of another shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if start is not None:
        _start(start / "checkpoint.pt", network)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    progress = _resume(folder / "checkpoint.pt", network, average, optimiser)
    saved, losses = progress.seconds, []
    done = _done(progress, settings)
    while done < 1:
        began = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = _rate(settings, progress.step, done)
        losses.append(_step(network, task, optimiser, settings, progress.step, done))
        _average(average, network, settings.ema, progress.step)
        progress.step += 1
        progress.seconds += time.monotonic() - began
        done = _done(progress, settings)
        if progress.step % 20 == 0:
            _tell(progress, losses, done, say)
        if progress.step % settings.validate_every == 0 or done >= 1:
            figures = task.validate(average)
            _log(folder / "log.csv", progress, sum(losses) / len(losses), figures)
            say(f"step {progress.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
            losses = []
        if progress.seconds - saved > 60 * settings.checkpoint_minutes or done >= 1:
            _save(folder / "checkpoint.pt", network, average, optimiser, progress)
            saved = progress.seconds
    return average


def _done(progress: _Progress, settings: LoopSettings) -> float:
    return max(progress.step / settings.steps, progress.seconds / (60 * settings.minutes))


def _rate(settings: LoopSettings, step: int, done: float) -> float:
    decayed = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return decayed * min(1.0, (step + 1) / settings.warmup)


def _step(
    network: nn.Module, task: Task, optimiser: torch.optim.Optimizer, settings: LoopSettings, step: int, done: float
) -> float:
    network.train()
    # Seeds depend on the step alone: a resumed run sees the samples that it would have seen.
    seeds = [settings.seed * 1_000_003 + step * settings.batch + i for i in range(settings.batch)]
    optimiser.zero_grad(set_to_none=True)
    loss = task.loss(network, seeds, done)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))  # young averages follow faster
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def _tell(progress: _Progress, losses: list[float], done: float, say: Callable[[str], None]) -> None:
    recent = losses[-20:] or [math.nan]
    left = progress.seconds / max(done, 1e-9) * (1 - done)
    say(
        f"step {progress.step}, loss {sum(recent) / len(recent):.4f}, "
        f"{progress.seconds / progress.step:.2f} s a step, {left / 60:.0f} min left"
    )


def _log(path: Path, progress: _Progress, loss: float, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(["step", "minutes", "loss", *figures])
        row = [loss, *figures.values()]
        writer.writerow([progress.step, f"{progress.seconds / 60:.1f}", *(f"{v:.5f}" for v in row)])


def _save(
    path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, progress: _Progress
) -> None:
    state = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": progress.step,
        "seconds": progress.seconds,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _start(path: Path, network: nn.Module) -> None:
    if not path.exists():
        raise FetaError(path, "does not exist", "name the folder of a run to start from")
    try:
        network.load_state_dict(torch.load(path, weights_only=True)["average"])
    except RuntimeError as error:
        raise FetaError(path, "holds a network of another shape", "start from a run with the same network") from error


def _resume(path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> _Progress:
    if not path.exists():
        return _Progress()
    state: dict[str, Any] = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return _Progress(state["step"], state["seconds"])
