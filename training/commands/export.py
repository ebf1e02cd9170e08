"""``feta-train export``: from the averaged weights of runs to the float16 files that the submission ships."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from feta.errors import FetaError
from training.commands.common import Run
from training.engine.export import Export, export_run, ship
from training.engine.log import report

#: What is fitted to the networks of a folder, and refused beside others.
FITTED = ("biometry.json", "further_lengths.json", "confidence.json")

Weights = Annotated[Path, typer.Argument(help="Folder of weights; its model.yaml gets the network's entry.")]
Mean = Annotated[bool, typer.Option("--mean", help="Of several runs: a network of their mean weights.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Segmentation weights in a byte each: half the size.")]


def segmentation(
    weights: Weights,
    runs: Annotated[list[Path], typer.Argument(help="Run folder of a network; several: ensemble.")],
    int8: Int8 = False,
    mean: Mean = False,
) -> None:
    """Export the segmentation network, an ensemble of several, or the mean of several."""
    export_networks(weights, {"segmentation": runs}, int8, mean)


def single_network(network: str) -> Callable[[Path, Path], None]:
    """The command that exports a network of which a folder of weights holds one."""

    def export(weights: Weights, run: Run) -> None:
        export_networks(weights, {network: [run]})

    return export


def runs(
    weights: Weights,
    segmentation_run: Annotated[list[Path], typer.Option(help="Run folder of a network; several: ensemble.")],
    locator_run: Annotated[Path | None, typer.Option(help="Of the locator; the folder's own stays without.")] = None,
    int8: Int8 = False,
) -> None:
    """Export segmentation and locator in one call, as ``export`` did before it was a group."""
    locator = {"locator": [locator_run]} if locator_run else {}
    export_networks(weights, {"segmentation": segmentation_run} | locator, int8)


@dataclass(frozen=True)
class _Network:
    """How a network is exported.

    Attributes:
        settings: that its runs have.
        spacing: mm at which it works; None: that of its synthesis.
        patched: whether model.yaml tells the size of the boxes that it was trained on.
    """

    settings: type
    spacing: float | None = None
    patched: bool = False


def export_networks(weights: Path, runs: Mapping[str, Sequence[Path]], int8: bool = False, mean: bool = False) -> None:
    """Write the averaged weights of runs into a folder of weights.

    Args:
        weights: the folder.
        runs: folders by the network's name in model.yaml; several of segmentation make an ensemble.
        int8: store segmentation kernels in a byte a number.
        mean: of several runs one network of their mean weights, in place of an ensemble.

    Raises:
        FetaError: a run or the folder can't be used, or networks make no ensemble.
    """
    from inference.biometry.calibration import networks_digest

    networks = _networks()
    index: dict[str, Any] = {}
    exports: list[Export[Any]] = []
    # All is read before anything is written: a mistyped run must leave the folder as it was.
    for name, folders in runs.items():
        ensemble = name == "segmentation"
        network = networks[name]
        members = [folders] if mean else [[folder] for folder in folders]
        files = [name] if len(members) == 1 else [f"{name}-{i}" for i in range(1, len(members) + 1)]
        found: list[Export[Any]] = [
            export_run(network.settings, member, f"{file}.safetensors", network.spacing, int8=int8 and ensemble)
            for member, file in zip(members, files, strict=True)
        ]
        _check_ensemble(found)
        patch = [{"patch": each.settings.synthesis.size} if network.patched else {} for each in found]
        entries = [each.entry | more for each, more in zip(found, patch, strict=True)]
        index[name] = entries if ensemble else entries[0]
        exports += found
    before = networks_digest(weights)
    ship(weights, index, exports)
    fitted = [name for name in FITTED if (weights / name).exists()]
    if fitted and networks_digest(weights) != before:
        names = f"{', '.join(fitted)}: fitted to the networks before"
        report(f"{weights}: {names}; fit anew with feta-train assess calibrate, or remove")


def _networks() -> dict[str, _Network]:
    """Every network by its name in model.yaml."""
    from training.tasks.autoencoder import AutoencoderSettings
    from training.tasks.brain_extraction import BrainExtractionSettings
    from training.tasks.landmark_network import NOMINAL_MM, LandmarkSettings
    from training.tasks.locator import LocatorSettings
    from training.tasks.segmentation import SegmentationSettings

    return {
        "segmentation": _Network(SegmentationSettings, patched=True),
        "locator": _Network(LocatorSettings),
        "extraction": _Network(BrainExtractionSettings, patched=True),
        "landmarks": _Network(LandmarkSettings, NOMINAL_MM),
        "autoencoder": _Network(AutoencoderSettings),
    }


def _check_ensemble(networks: Sequence[Export[Any]]) -> None:
    spacings = {export.entry["spacing"] for export in networks}
    if len(spacings) > 1:
        problem = f"networks at {' and '.join(f'{mm:g}' for mm in sorted(spacings))} mm make no ensemble"
        raise FetaError("--segmentation-run", problem, "name runs with the same synthesis.spacing")
