"""The training loop that every network shares: optimiser, decay, EMA of the weights, checkpoints, a log, its curves.

A run lives in a folder. Killed at any step, it is resumed from its last checkpoint, if it is called as it was: the
checkpoint holds its lineage. Under torchrun several processes go through the same loop, each with its
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
from inference.networks.frozen_norm import frozen_norms, gather_statistics
from training.data.leakage import Lineage, check_apart
from training.engine import distributed
from training.engine.log import LOG, append_row, draw_curves
from training.engine.optimisers import LoopSettings, Optimiser, learning_rate, sam_perturbed
from training.engine.run_state import TrainingRun, begin_or_resume, run_lock

#: Samples over which statistics that are to be frozen are averaged.
SAMPLES = 64
#: Takes a line of progress for a person.
Report = Callable[[str], None]


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
    report: Report,
    lineage: Lineage,
    pretrained: Path | None = None,
) -> nn.Module:
    """Train, or resume training, and return the network with averaged weights.

    Args:
        network: freshly made, on its device; overwritten by the checkpoint where there is one.
        task: gives losses and validation figures.
        settings: how long and how fast.
        folder: of the run: ``checkpoint.pt``, ``log.csv``, ``curves.png``.
        report: takes a line of progress.
        lineage: settings and subjects, as `training.data.leakage.lineage_of` writes them down; a run that is resumed
            must have the same.
        pretrained: folder of another run, whose averaged weights a new run fine-tunes.

    Raises:
        FetaError: training diverged; the run would learn from whom it holds out; there are no pretrained weights, or
            their network is of another shape, or has seen whom this run holds out; the folder cannot be written,
            another process trains in it, or its run cannot be read, or has another lineage; or the processes that
            torchrun started have not been joined, or cannot share a batch evenly.
    """
    _check_processes(settings)
    check_apart(folder, lineage)
    make_writable(folder)
    with run_lock(folder):
        run = begin_or_resume(network, settings, folder, report, lineage, pretrained)
        _freeze(run, task, settings, pretrained)
        device = next(network.parameters()).device
        saved, losses = run.seconds, []
        done = run.done(settings)
        while done < 1:
            began = time.monotonic()
            loss = _step(run, task, settings, done)
            update_average(run.average, network, settings.ema, run.step)
            # The same for all processes, which therefore end together and agree on the learning rate.
            loss, seconds = distributed.means([loss, time.monotonic() - began], device)
            _check_finite(folder, loss, run.step)
            losses.append(loss)
            run.step += 1
            run.seconds += seconds
            done = run.done(settings)
            if run.step % 20 == 0:
                _report(run, losses, done, report)
            if run.step % settings.validate_every == 0 or done >= 1:
                _validate(task, run, folder, losses, report)
                losses = []
            if run.seconds - saved > 60 * settings.checkpoint_minutes or done >= 1:
                run.save(folder)
                saved = run.seconds
        distributed.wait()
    return run.average


def _freeze(run: TrainingRun, task: Task, settings: LoopSettings, pretrained: Path | None) -> None:
    """Gather the statistics of layers that are to be frozen, unless the run or its pretrained weights have them."""
    if not (norms := frozen_norms(run.network)) or all(norm.num_batches_tracked for norm in norms):
        return
    if pretrained is None:
        problem = "'frozen' takes its statistics from trained weights"
        raise FetaError("network.norm", problem, "train with 'instance' first, and name that run with --pretrained")
    seeds = [settings.seed * 1_000_003 - 1 - i for i in range(SAMPLES)]
    gather_statistics(run.network, seeds, lambda seed: task.loss(run.network, [seed], 0.0))
    run.average.load_state_dict(run.network.state_dict())


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
            "lower loop.learning_rate in another run; --pretrained takes the weights of this one's last checkpoint",
        )


def _step(run: TrainingRun, task: Task, settings: LoopSettings, done: float) -> float:
    """One step of the optimiser; the loss, or NaN where the gradient is not finite."""
    network = run.network
    network.train()
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(settings, run.step, done)
    # Seeds depend on the step alone: a resumed run sees the samples that it would have seen.
    seeds = [settings.seed * 1_000_003 + run.step * settings.batch + i for i in range(settings.batch)]
    loss = _gradients(network, task, seeds, done)
    if settings.optimiser is Optimiser.SAM:
        with sam_perturbed(network, settings.radius):
            _gradients(network, task, seeds, done)
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), settings.clip))
    if not math.isfinite(norm):
        return math.nan  # the weights stay what they were
    run.optimiser.step()
    return loss


def _gradients(network: nn.Module, task: Task, seeds: list[int], done: float) -> float:
    """Loss of a batch; its gradients are left in the parameters."""
    network.zero_grad(set_to_none=True)
    loss = task.loss(network, distributed.share(seeds), done)
    loss.backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients(network)
    return float(loss.detach())


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the network's (exponential moving average)."""
    decay = min(decay, (1 + step) / (10 + step))  # young averages follow faster
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def _report(run: TrainingRun, losses: list[float], done: float, report: Report) -> None:
    if not distributed.leads():
        return
    recent = losses[-20:] or [math.nan]
    left = run.seconds / max(done, 1e-9) * (1 - done)
    report(
        f"step {run.step}, loss {sum(recent) / len(recent):.4f}, "
        f"{run.seconds / run.step:.2f} s a step, {left / 60:.0f} min left"
    )


def _validate(task: Task, run: TrainingRun, folder: Path, losses: list[float], report: Report) -> None:
    """Figures into the log and its picture, by the first process."""
    if not distributed.leads():
        return
    figures = task.validate(run.average)
    values = {"loss": sum(losses) / len(losses), **figures}
    row = {"step": str(run.step), "minutes": f"{run.seconds / 60:.1f}"}
    append_row(folder / LOG, row | {name: f"{value:.5f}" for name, value in values.items()})
    draw_curves(folder / LOG, folder / "curves.png")
    report(f"step {run.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
