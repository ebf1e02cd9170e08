"""The training loop that every network shares: optimiser, decay, EMA of the weights, checkpoints, a log, its curves.

A run lives in a folder. Killed at any step, it goes on from its last checkpoint, if it is called as it was: the
checkpoint holds what the run is made of. Under torchrun several processes go through the same loop, each with its
share of every batch; the first validates and writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from feta.errors import FetaError
from feta.files import make_writable
from training.data.leakage import MadeOf, check_apart
from training.engine import distributed
from training.engine.log import append_row, draw_curves
from training.engine.optimisers import LoopSettings, Optimiser, learning_rate, sam_perturbed
from training.engine.run_state import _begin, _done, _Progress, _save, run_lock


class Task(Protocol):
    """What a network is trained for."""

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        """Loss of the samples that these seeds make; ``done`` is the share of the training that lies behind."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures on the validation subjects."""


def train(
    network: nn.Module,
    task: Task,
    settings: LoopSettings,
    folder: Path,
    say: Callable[[str], None],
    made_of: MadeOf,
    start: Path | None = None,
) -> nn.Module:
    """Train, or go on training, and return the network with averaged weights.

    Args:
        network: freshly made, on its device; overwritten by the checkpoint where there is one.
        task: gives losses and validation figures.
        settings: how long and how fast.
        folder: of the run: ``checkpoint.pt``, ``log.csv``, ``curves.png``.
        say: takes a line of progress.
        made_of: settings and subjects, as `training.data.leakage.made_of` writes them down; a run that goes on must
            have the same.
        start: folder of another run, from whose averaged weights a new run starts.

    Raises:
        FetaError: training diverged; the run would learn from whom it holds out; there is no run to start from, or its
            network is of another shape, or knows whom this one holds out; the folder cannot be written, another process
            trains in it, or its run cannot be read, or is made of something else; or the processes that torchrun
            started have not been joined, or cannot share a batch evenly.
    """
    _check_processes(settings)
    check_apart(folder, made_of)
    make_writable(folder)
    with run_lock(folder):
        run = _begin(network, settings, folder, say, made_of, start)
        device = next(network.parameters()).device
        progress, saved, losses = run.progress, run.progress.seconds, []
        done = _done(progress, settings)
        while done < 1:
            began = time.monotonic()
            for group in run.optimiser.param_groups:
                group["lr"] = learning_rate(settings, progress.step, done)
            loss = _step(network, task, run.optimiser, settings, progress.step, done)
            _average(run.average, network, settings.ema, progress.step)
            # The same for all processes, which therefore end together and agree on the learning rate.
            loss, seconds = distributed.means([loss, time.monotonic() - began], device)
            _check_finite(folder, loss, progress.step)
            losses.append(loss)
            progress.step += 1
            progress.seconds += seconds
            done = _done(progress, settings)
            if progress.step % 20 == 0:
                _report(progress, losses, done, say)
            if progress.step % settings.validate_every == 0 or done >= 1:
                _validate(task, run.average, folder, progress, losses, say)
                losses = []
            if progress.seconds - saved > 60 * settings.checkpoint_minutes or done >= 1:
                _save(folder, network, run, made_of)
                saved = progress.seconds
        distributed.wait()
    return run.average


def _check_processes(settings: LoopSettings) -> None:
    count = distributed.started()
    if count != distributed.size():
        raise FetaError("torchrun", "this network is trained by one process", "start it without torchrun")
    if settings.batch % count:
        raise FetaError(
            "loop.batch", f"{settings.batch} samples do not divide among {count} processes", "set a multiple"
        )


def _check_finite(folder: Path, loss: float, step: int) -> None:
    """What diverged never comes back; the checkpoint is from before."""
    if not math.isfinite(loss):
        raise FetaError(
            folder,
            f"its loss is no number any more at step {step}",
            "lower loop.learning_rate and begin another run; --from takes the weights of this one's last checkpoint",
        )


def _step(
    network: nn.Module, task: Task, optimiser: torch.optim.Optimizer, settings: LoopSettings, step: int, done: float
) -> float:
    network.train()
    # Seeds depend on the step alone: a resumed run sees the samples that it would have seen.
    seeds = [settings.seed * 1_000_003 + step * settings.batch + i for i in range(settings.batch)]
    loss = _gradients(network, task, seeds, done)
    if settings.optimiser is Optimiser.SAM:
        with sam_perturbed(network, settings.radius):
            _gradients(network, task, seeds, done)
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), settings.clip))
    if not math.isfinite(norm):
        return math.nan  # the weights stay what they were
    optimiser.step()
    return loss


def _gradients(network: nn.Module, task: Task, seeds: list[int], done: float) -> float:
    """Loss of a batch; its gradients are left in the parameters."""
    network.zero_grad(set_to_none=True)
    loss = task.loss(network, distributed.share(seeds), done)
    loss.backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients(network)
    return float(loss.detach())


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))  # young averages follow faster
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def _report(progress: _Progress, losses: list[float], done: float, say: Callable[[str], None]) -> None:
    if not distributed.leads():
        return
    recent = losses[-20:] or [math.nan]
    left = progress.seconds / max(done, 1e-9) * (1 - done)
    say(
        f"step {progress.step}, loss {sum(recent) / len(recent):.4f}, "
        f"{progress.seconds / progress.step:.2f} s a step, {left / 60:.0f} min left"
    )


def _validate(
    task: Task, average: nn.Module, folder: Path, progress: _Progress, losses: list[float], say: Callable[[str], None]
) -> None:
    """Figures into the log and its picture, by the first process."""
    if not distributed.leads():
        return
    figures = task.validate(average)
    values = {"loss": sum(losses) / len(losses), **figures}
    row = {"step": str(progress.step), "minutes": f"{progress.seconds / 60:.1f}"}
    append_row(folder / "log.csv", row | {name: f"{value:.5f}" for name, value in values.items()})
    draw_curves(folder / "log.csv", folder / "curves.png")
    say(f"step {progress.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
