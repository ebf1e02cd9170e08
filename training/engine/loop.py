"""The training loop that every network shares: optimiser, decay, EMA of the weights, checkpoints, a log, its curves.

A run lives in a folder. Killed at any step, it goes on from its last checkpoint, if it is called as it was: the
checkpoint holds what the run is made of. Under torchrun several processes go through the same loop, each with its
share of every batch; the first validates and writes.
"""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from feta.errors import FetaError
from feta.files import make_writable, remove_unfinished, write_atomically
from feta.lock import locked
from training.engine import distributed
from training.engine.checkpoint import (
    MadeOf,
    check_apart,
    check_held_out,
    check_same,
    known_to,
    learned_from,
    load_into,
    read_checkpoint,
    tells_origins,
)
from training.engine.log import append_row, draw_curves, drop_after
from training.engine.optimisers import Optimiser, climbed, learning_rate, make_optimiser


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast.

    Attributes:
        steps: at which training ends.
        minutes: of computing after which it ends, whichever is first; the learning rate follows.
        learning_rate: the largest, after the warm-up.
        warmup: steps until it is reached.
        weight_decay: of the optimiser.
        optimiser: adamw, sgd or sam.
        momentum: of sgd.
        radius: within which sam looks for the worst weights.
        clip: longest gradient.
        ema: decay of the averaged weights a step.
        batch: samples a step, of all processes together.
        seed: of the samples and the first weights.
        validate_every: steps.
        checkpoint_minutes: between checkpoints.
    """

    steps: int = 4000
    minutes: float = math.inf
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-4
    optimiser: Optimiser = Optimiser.ADAMW
    momentum: float = 0.99
    radius: float = 0.05
    clip: float = 1.0
    ema: float = 0.995
    batch: int = 1
    seed: int = 0
    validate_every: int = 500
    checkpoint_minutes: float = 2.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        if not self.minutes > 0:
            raise ValueError("minutes must be more than 0")


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


@dataclass(frozen=True)
class _Run:
    """A run beside its network.

    Attributes:
        average: the network with averaged weights.
        optimiser: of the network.
        progress: how far it came.
        before: names that the weights it began with had learned from.
    """

    average: nn.Module
    optimiser: torch.optim.Optimizer
    progress: _Progress
    before: list[str]


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
        made_of: settings and subjects, as `training.checkpoint.made_of` writes them down; a run that goes on must
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
    with _alone(folder):
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
                _tell(progress, losses, done, say)
            if progress.step % settings.validate_every == 0 or done >= 1:
                _validate(task, run.average, folder, progress, losses, say)
                losses = []
            if progress.seconds - saved > 60 * settings.checkpoint_minutes or done >= 1:
                _save(folder, network, run, made_of)
                saved = progress.seconds
        distributed.wait()
    return run.average


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other run in this folder meanwhile; what a killed one left half written is gone."""
    with ExitStack() as held:

        def begin() -> None:
            held.enter_context(locked(folder / "run.lock"))
            remove_unfinished(folder)

        distributed.by_first(begin)
        yield


def _begin(
    network: nn.Module,
    settings: LoopSettings,
    folder: Path,
    say: Callable[[str], None],
    made_of: MadeOf,
    start: Path | None,
) -> _Run:
    """Go on with the run of a folder, or begin one, with another's weights where it has a start."""
    path = folder / "checkpoint.pt"
    # Read and refused by the first process alone, so that all have the same weights and a refusal is said once.
    if (left := distributed.by_first(lambda: _left(path, made_of))) is not None:
        run = _resumed(path, left, network, settings)
        # What a killed run logged after its last checkpoint will be logged again.
        distributed.by_first(lambda: drop_after(folder / "log.csv", run.progress.step))
        _tell_resumed(folder, run.progress, settings, say)
        return run
    before: list[str] = []
    if start is not None:
        begun = distributed.by_first(lambda: _begun(start, made_of))
        before = known_to(begun)
        load_into(network, begun, "average", start)
        _tell_start(start, begun, made_of, say)
    distributed.by_first(lambda: drop_after(folder / "log.csv", 0))
    return _Run(copy.deepcopy(network).eval(), make_optimiser(network, settings), _Progress(), before)


def _left(path: Path, made_of: MadeOf) -> dict[str, Any] | None:
    """The checkpoint that a killed run left, if there is one and it is of this run."""
    if not path.exists():
        return None
    left = read_checkpoint(path)
    check_same(path, left, made_of)
    return left


def _begun(start: Path, made_of: MadeOf) -> dict[str, Any]:
    """The checkpoint of a run whose weights this one may begin with."""
    begun = read_checkpoint(start / "checkpoint.pt")
    check_held_out(start, known_to(begun), made_of)
    return begun


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


def _done(progress: _Progress, settings: LoopSettings) -> float:
    return max(progress.step / settings.steps, progress.seconds / (60 * settings.minutes))


def _step(
    network: nn.Module, task: Task, optimiser: torch.optim.Optimizer, settings: LoopSettings, step: int, done: float
) -> float:
    network.train()
    # Seeds depend on the step alone: a resumed run sees the samples that it would have seen.
    seeds = [settings.seed * 1_000_003 + step * settings.batch + i for i in range(settings.batch)]
    loss = _gradients(network, task, seeds, done)
    if settings.optimiser is Optimiser.SAM:
        with climbed(network, settings.radius):
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


def _tell(progress: _Progress, losses: list[float], done: float, say: Callable[[str], None]) -> None:
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


def _save(folder: Path, network: nn.Module, run: _Run, made_of: MadeOf) -> None:
    if not distributed.leads():
        return
    state = {
        "network": network.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.progress.step,
        "seconds": run.progress.seconds,
        "made_of": made_of,
        "before": run.before,
    }
    written = io.BytesIO()
    torch.save(state, written)
    write_atomically(folder / "checkpoint.pt", written.getvalue())


def _resumed(path: Path, left: dict[str, Any], network: nn.Module, settings: LoopSettings) -> _Run:
    load_into(network, left, "network", path)
    average = copy.deepcopy(network).eval()
    load_into(average, left, "average", path)
    optimiser = make_optimiser(network, settings)
    optimiser.load_state_dict(left["optimiser"])
    return _Run(average, optimiser, _Progress(left["step"], left["seconds"]), left["before"])


def _tell_start(start: Path, begun: dict[str, Any], made_of: MadeOf, say: Callable[[str], None]) -> None:
    """Say whom the weights know, and this run does not learn from."""
    if not distributed.leads():
        return
    if others := sorted(set(known_to(begun)) - set(learned_from(made_of))):
        say(f"{start} learned from {len(others)} subjects that this run does not train on, such as {others[0]}")
    if not tells_origins(begun["made_of"]):
        say(f"{start} doesn't say of whom these were made: an older version has not written it down")


def _tell_resumed(folder: Path, progress: _Progress, settings: LoopSettings, say: Callable[[str], None]) -> None:
    """Say where the run goes on."""
    if not distributed.leads():
        return
    if _done(progress, settings) < 1:
        say(f"goes on at step {progress.step}, after {progress.seconds / 60:.0f} min of computing")
    else:
        say(f"{folder} is finished at step {progress.step}: raise --steps or --minutes, or name another run folder")
