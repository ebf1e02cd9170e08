"""A training run on disk and in memory: begun, resumed, fine-tuned from another, saved."""

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
from training.data.leakage import (
    Lineage,
    check_held_out,
    check_same,
    learned_from,
    subjects_seen,
    tells_all_subjects,
    tells_source_subjects,
)
from training.engine import distributed
from training.engine.checkpoint import CHECKPOINT, load_into, read_checkpoint, read_pretrained
from training.engine.log import LOG, drop_after
from training.engine.optimisers import LoopSettings, make_optimiser


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """No other run in this folder meanwhile; what a killed one left half written is gone."""
    with ExitStack() as held:

        def begin() -> None:
            held.enter_context(locked(folder / "run.lock"))
            remove_unfinished(folder)

        distributed.by_first(begin)
        yield


@dataclass
class TrainingRun:
    """A run: its networks, and how far it came.

    Attributes:
        network: that is trained.
        average: the network with averaged weights.
        optimiser: of the network.
        lineage: settings and subjects.
        pretrained_subjects: names that the pretrained weights it began with had learned from.
        untold: whether these may have learned from others, too, as they don't tell.
        step: of optimisation, that comes next.
        seconds: of computing so far.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    lineage: Lineage
    pretrained_subjects: list[str]
    untold: bool = False
    step: int = 0
    seconds: float = 0.0

    def done(self, settings: LoopSettings) -> float:
        """Share of the training that lies behind; 1 or more at its end."""
        return max(self.step / settings.steps, self.seconds / (60 * settings.minutes))

    def save(self, folder: Path) -> None:
        """Write the checkpoint, by the first process. Its keys keep their first names, so that old runs resume."""
        if not distributed.leads():
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "made_of": self.lineage,
            "before": self.pretrained_subjects,
        }
        if self.untold:
            state["untold"] = True
        written = io.BytesIO()
        torch.save(state, written)
        write_atomically(folder / CHECKPOINT, written.getvalue())


def begin_or_resume(
    network: nn.Module,
    settings: LoopSettings,
    folder: Path,
    report: Callable[[str], None],
    lineage: Lineage,
    pretrained: Path | None,
) -> TrainingRun:
    """Resume the run of a folder, or begin one, with the weights of another where one is named.

    Args:
        network: freshly made; overwritten by the checkpoint or the pretrained weights where there are any.
        settings: of the loop.
        folder: of the run.
        report: takes a line of progress.
        lineage: settings and subjects of this run.
        pretrained: run folder whose averaged weights are fine-tuned, or a folder of weights.

    Raises:
        FetaError: a checkpoint can't be read or used, or its lineage would leak held-out subjects.
    """
    path = folder / CHECKPOINT
    # Read and refused by the first process alone, so that all have the same weights and a refusal is said once.
    if (state := distributed.by_first(lambda: _read_resumable(path, lineage))) is not None:
        run = _resumed(path, state, network, settings, lineage)
        # What a killed run logged after its last checkpoint will be logged again.
        distributed.by_first(lambda: drop_after(folder / LOG, run.step))
        _report_resumed(folder, run, settings, report)
        return run
    seen: list[str] = []
    untold = False
    if pretrained is not None:
        state = distributed.by_first(lambda: _read_pretrained(pretrained, network, lineage))
        seen, untold = subjects_seen(state), not tells_all_subjects(state)
        load_into(network, state, "average", pretrained)
        _report_pretrained(pretrained, state, lineage, report)
    distributed.by_first(lambda: drop_after(folder / LOG, 0))
    return TrainingRun(network, copy.deepcopy(network).eval(), make_optimiser(network, settings), lineage, seen, untold)


def _read_resumable(path: Path, lineage: Lineage) -> dict[str, Any] | None:
    """The checkpoint that a killed run left, if there is one and it is of this run."""
    if not path.exists():
        return None
    state = read_checkpoint(path)
    check_same(path, state, lineage)
    return state


def _read_pretrained(pretrained: Path, network: nn.Module, lineage: Lineage) -> dict[str, Any]:
    """Weights that this run may fine-tune without leakage, as far as they tell."""
    state = read_pretrained(pretrained, network)
    check_held_out(pretrained, subjects_seen(state), lineage)
    return state


def _resumed(
    path: Path, state: dict[str, Any], network: nn.Module, settings: LoopSettings, lineage: Lineage
) -> TrainingRun:
    load_into(network, state, "network", path)
    average = copy.deepcopy(network).eval()
    load_into(average, state, "average", path)
    optimiser = make_optimiser(network, settings)
    optimiser.load_state_dict(state["optimiser"])
    untold = state.get("untold", False)
    return TrainingRun(network, average, optimiser, lineage, state["before"], untold, state["step"], state["seconds"])


def _report_pretrained(
    pretrained: Path, state: dict[str, Any], lineage: Lineage, report: Callable[[str], None]
) -> None:
    """Say whom the weights know, and this run does not learn from."""
    if not distributed.leads():
        return
    if others := sorted(set(subjects_seen(state)) - set(learned_from(lineage))):
        report(f"{pretrained} learned from {len(others)} subjects that this run does not train on, such as {others[0]}")
    if not tells_all_subjects(state):
        what = "began with weights that don't say whom they" if state["made_of"] else "doesn't say whom its networks"
        report(f"{pretrained} {what} learned from: see their model card")
    elif not tells_source_subjects(state["made_of"]):
        report(f"{pretrained} doesn't name the source subjects of these: an older version has not written them down")


def _report_resumed(folder: Path, run: TrainingRun, settings: LoopSettings, report: Callable[[str], None]) -> None:
    """Say where the run is resumed."""
    if not distributed.leads():
        return
    if run.done(settings) < 1:
        report(f"resumed at step {run.step}, after {run.seconds / 60:.0f} min of computing")
    else:
        report(f"{folder} is finished at step {run.step}: raise --steps or --minutes, or name another run folder")
