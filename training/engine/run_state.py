"""A training run on disk and in memory: begun, resumed, saved."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from feta.files import remove_unfinished, write_atomically
from feta.lock import locked
from training.data.leakage import MadeOf, check_held_out, check_same, known_to, learned_from, tells_origins
from training.engine import distributed
from training.engine.checkpoint import load_into, read_checkpoint
from training.engine.log import drop_after
from training.engine.optimisers import LoopSettings, make_optimiser


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


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
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
    if (left := distributed.by_first(lambda: _read_resumable(path, made_of))) is not None:
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


def _read_resumable(path: Path, made_of: MadeOf) -> dict[str, Any] | None:
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


def _done(progress: _Progress, settings: LoopSettings) -> float:
    return max(progress.step / settings.steps, progress.seconds / (60 * settings.minutes))


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
