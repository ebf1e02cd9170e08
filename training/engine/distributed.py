"""Several processes train one network, as torchrun starts them: each takes its share of every batch.

Gradients are averaged and sums of a loss are taken over all processes, so that a step equals that of one process
with the whole batch. A process that runs alone passes through here without any effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from feta.errors import FetaError

T = TypeVar("T")
#: The first process validates while the others wait.
PATIENCE = timedelta(hours=2)
#: Exit status where the first process has said what is wrong: that of `feta-train`.
_REFUSED = 2


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the other processes that torchrun started: NCCL between GPUs, each with its own, else gloo."""
    if started() == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def started() -> int:
    """How many processes torchrun has started, whether they have been joined or not."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def size() -> int:
    """How many processes have been joined."""
    return dist.get_world_size() if dist.is_initialized() else 1


def leads() -> bool:
    """Whether this is the process that validates, writes and speaks, whether the others have been joined or not."""
    if dist.is_initialized():
        return dist.get_rank() == 0
    return started() == 1 or os.environ.get("RANK") == "0"


def share(items: Sequence[Any]) -> list[Any]:
    """The part of a batch that is this process's own."""
    return list(items) if size() == 1 else list(items[dist.get_rank() :: size()])


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def summed(values: Tensor) -> Tensor:
    """A tensor summed over all processes, with its gradient; every process must call this equally often."""
    return values if size() == 1 else _Sum.apply(values)  # type: ignore[no-untyped-call]


def gathered(items: Sequence[Any]) -> list[Any]:
    """The items of all processes, those of the first process first; every process must call this equally often.

    Args:
        items: this process's own, small and fit for pickling; processes may have different numbers of them.
    """
    if size() == 1:
        return list(items)
    found: list[list[Any]] = [[] for _ in range(size())]
    dist.all_gather_object(found, list(items))
    return [item for each in found for item in each]


def average_gradients(network: nn.Module) -> None:
    """Put the mean over all processes in place of each gradient."""
    if size() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    together = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(together)
    nn.utils.vector_to_parameters(together / size(), gradients)


def means(values: list[float], device: torch.device) -> list[float]:
    """Means over all processes."""
    if size() == 1:
        return values
    together = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(together)
    return (together / size()).tolist()


def by_first(work: Callable[[], T]) -> T:
    """What work comes to, which the first process alone does: other machines need not see its folder.

    Raises:
        FetaError: that of the work; the other processes end without a word, since the first says what is wrong.
    """
    if size() == 1:
        return work()
    held: list[tuple[T | None, bool]] = [(None, False)]
    refused: FetaError | None = None
    if leads():
        try:
            held = [(work(), True)]
        except FetaError as error:
            refused = error
    dist.broadcast_object_list(held)
    if refused is not None:
        raise refused
    found, done = held[0]
    if not done:
        raise SystemExit(_REFUSED)
    return found  # type: ignore[return-value]


def wait() -> None:
    """Until all processes have come here."""
    if size() > 1:
        dist.barrier()
