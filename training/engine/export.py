"""From a run's averaged weights to the files that are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from feta.errors import FetaError
from training.engine.log import report

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")


@dataclass(frozen=True)
class Export(Generic[T]):
    """A run's averaged weights, ready to be written.

    Attributes:
        entry: for model.yaml.
        data: of the file that it names.
        settings: that the run had.
    """

    entry: dict[str, Any]
    data: bytes
    settings: T


def export_run(
    kind: type[T], runs: Sequence[Path], name: str, spacing: float | None = None, int8: bool = False
) -> Export[T]:
    """Read a run's averaged weights, or the mean of those of several runs that began with one another's weights.

    Such a mean often errs less than each of them (Wortsman et al., "Model soups", ICML 2022).

    Args:
        kind: of settings: ``SegmentationSettings`` and such, with a network and, unless spacing is given, a synthesis.
        runs: their folders; settings are those of the last one, steps and minutes of all.
        name: of the file to be written.
        spacing: mm at which the network works; None: that of its synthesis.
        int8: kernels in a byte a number.

    Raises:
        FetaError: the folder holds no run, or one of another kind.
    """
    from inference.networks.frozen_norm import folded
    from inference.networks.residual_unet import Norm, ResidualUNet
    from inference.networks.weights import packed
    from training.engine.architectures import shipped

    found = [read_averaged(kind, run) for run in runs]
    settings: Any = found[-1].settings
    shape, network = shipped(settings.network), _mean(found, runs)
    if isinstance(network, ResidualUNet) and shape.norm is Norm.FROZEN:
        network, shape = folded(network), replace(shape, norm=Norm.FOLDED)
    data, entry = packed(network, name, spacing or settings.synthesis.spacing, shape, int8)
    steps, seconds = sum(one.steps for one in found), sum(one.seconds for one in found)
    return Export(entry | {"steps": steps, "minutes": round(seconds / 60)}, data, found[-1].settings)


def _mean(found: Sequence[AveragedRun[Any]], runs: Sequence[Path]) -> nn.Module:
    """The last run's network with the mean of the weights of all.

    Raises:
        FetaError: networks differ in shape.
    """
    network, states = found[-1].network, [one.network.state_dict() for one in found]
    for state, run in zip(states, runs, strict=True):
        if {n: v.shape for n, v in state.items()} != {n: v.shape for n, v in states[-1].items()}:
            problem = f"has a network of another shape than {runs[-1]}, and no mean with it"
            raise FetaError(run, problem, "name runs of which one began with the other's weights")
    # Counts of what statistics were gathered from stay the last one's.
    means = {n: sum(s[n] for s in states) / len(states) for n, v in states[-1].items() if v.is_floating_point()}
    network.load_state_dict(means, strict=False)
    return network


@dataclass(frozen=True)
class AveragedRun(Generic[T]):
    """The network with averaged weights that a run left behind.

    Attributes:
        network: it.
        settings: of the run.
        steps: that it was trained for.
        seconds: of computing.
        subjects_seen: names of those that it, or the pretrained weights that it began with, learned from.
        told: whether these are all: pretrained weights may not tell.
    """

    network: nn.Module
    settings: T
    steps: int
    seconds: float
    subjects_seen: list[str]
    told: bool


def read_averaged(kind: type[T], run: Path) -> AveragedRun[T]:
    """Read the averaged weights of a run.

    Args:
        kind: of settings.
        run: its folder.

    Raises:
        FetaError: the folder holds no run, or one of another kind.
    """
    from feta.settings import settings_from
    from training.data.leakage import subjects_seen, tells_all_subjects
    from training.engine.architectures import make_network
    from training.engine.checkpoint import CHECKPOINT, load_into, read_checkpoint

    checkpoint = run / CHECKPOINT
    state = read_checkpoint(checkpoint)
    settings: Any = settings_from(kind, state["made_of"]["settings"], checkpoint)
    check_kind(kind, settings, checkpoint)
    network = make_network(settings.network)
    load_into(network, state, "average", checkpoint)
    seen, told = subjects_seen(state), tells_all_subjects(state)
    return AveragedRun(network, settings, state["step"], state["seconds"], seen, told)


def check_kind(kind: type, settings: Any, checkpoint: Path) -> None:
    """Refuse a network that takes or gives another number of channels than its kind does: networks look alike.

    Raises:
        FetaError: it is of another kind.
    """
    usual: Any = kind().network
    for name in ("inputs", "outputs"):
        found, wanted = getattr(settings.network, name), getattr(usual, name)
        if found != wanted:
            problem = f"is a run of another network: it has {found} {name}, and this one {wanted}"
            raise FetaError(checkpoint, problem, "name a run of the right command")


def ship(weights: Path, index: dict[str, Any], exports: Sequence[Export[Any]]) -> None:
    """Write files of weights and what model.yaml says of them into a folder, and say what it still lacks.

    Raises:
        FetaError: the folder can't be written, or its model.yaml can't be read.
    """
    import inference.networks.weights
    from feta.files import make_writable

    make_writable(weights)
    now = inference.networks.weights.ship(weights, {export.entry["file"]: export.data for export in exports}, index)
    for name in ("locator", "segmentation"):
        if name not in now:
            remedy = f"add one: `feta-train export {name}`"
            report(f"{weights}: holds no {name} yet, without which feta-infer cannot use it; {remedy}")
