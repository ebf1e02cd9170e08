"""Settings of the training loop, and its optimisers: AdamW, SGD as in nnU-Net, or sharpness-aware minimization."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

#: Power of the polynomial decay of nnU-Net's learning rate.
POWER = 0.9


class Optimiser(StrEnum):
    """Which optimiser, and with it how the learning rate decays.

    adamw: AdamW, cosine decay. sgd: Nesterov momentum, polynomial decay, as in nnU-Net (Isensee et al., 2021).
    sam: AdamW with the gradient of the worst point nearby (Foret et al., ICLR 2021), twice the work a step.
    """

    ADAMW = "adamw"
    SGD = "sgd"
    SAM = "sam"


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


def make_optimiser(network: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """The optimiser of a network's parameters."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser is Optimiser.SGD:
        momentum = settings.momentum
        return torch.optim.SGD(network.parameters(), rate, momentum=momentum, weight_decay=decay, nesterov=True)
    return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)


def learning_rate(settings: LoopSettings, step: int, done: float) -> float:
    """The learning rate of a step; ``done`` is the share of the training that lies behind."""
    done = min(done, 1.0)
    share = (1 - done) ** POWER if settings.optimiser is Optimiser.SGD else 0.5 * (1 + math.cos(math.pi * done))
    return settings.learning_rate * share * min(1.0, (step + 1) / max(settings.warmup, 1))


@contextmanager
def sam_perturbed(network: nn.Module, radius: float) -> Iterator[None]:
    """Within, the weights lie ``radius`` further up their gradient, where the loss is about largest nearby.

    Args:
        network: with gradients; new ones may be gathered within.
        radius: Euclidean distance over all weights.
    """
    moved = [p for p in network.parameters() if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    norm = nn.utils.get_total_norm([p.grad for p in moved if p.grad is not None])
    with torch.no_grad():
        for p in moved:
            if p.grad is not None:
                p.add_(p.grad * (radius / norm.clamp_min(1e-12)))
    try:
        yield
    finally:
        with torch.no_grad():
            for p, was in zip(moved, before, strict=True):
                p.copy_(was)  # exactly: adding and subtracting would leave a rounding error
