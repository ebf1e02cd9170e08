"""``feta-train fit autoencoder``: the network that corrects the segmentation network's probability maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    CORES,
    Atlases,
    Config,
    Everything,
    Minutes,
    Only,
    Run,
    Steps,
    Threads,
    loop_settings,
)
from training.commands.fit.subjects import training_subjects
from training.engine.log import report

if TYPE_CHECKING:
    from training.tasks.network_errors import NetworkErrors


def autoencoder(
    atlases: Atlases,
    run: Run,
    network: Annotated[Path, typer.Option(help="Segmentation networks: a folder of weights, or of a run.")],
    config: Config = CONFIGS / "autoencoder.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = CORES,
    everything: Everything = False,
    only: Only = None,
) -> None:
    """Train the autoencoder that corrects the segmentation network's probability maps."""
    from feta.settings import read_settings
    from training.tasks.autoencoder import AutoencoderSettings, train_autoencoder

    settings = read_settings(AutoencoderSettings, config, loop_settings(minutes, steps))
    errors = network_errors(network)
    spacing = settings.synthesis.spacing
    if abs(errors.spacing - spacing) > 1e-6:
        problem = f"synthesis.spacing is {spacing:g} mm, and {network} works at {errors.spacing:g} mm"
        raise FetaError(config, problem, "make them equal")
    if (size := settings.synthesis.size) % errors.multiple:
        problem = f"synthesis.size is {size}, and {network} takes multiples of {errors.multiple}"
        raise FetaError(config, problem, "choose one")
    if not (errors.told or everything):
        remedy = "name a run folder that was not begun with shipped weights to have it checked"
        report(f"{network}: doesn't say whom all its networks learned from; {remedy}")
    train_autoencoder(training_subjects(atlases, threads, everything, only=only), errors, settings, run, report)


def network_errors(folder: Path) -> NetworkErrors:
    """Segmentation networks whose errors are to be corrected.

    Args:
        folder: of weights, which don't say whom they learned from, or of a training run (its averaged weights).

    Raises:
        FetaError: it holds neither, or they do not fit.
    """
    from inference.networks.weights import INDEX, load_network, read_model
    from training.engine.checkpoint import CHECKPOINT
    from training.engine.export import read_averaged
    from training.tasks.network_errors import NetworkErrors
    from training.tasks.segmentation import SegmentationSettings

    # As for --pretrained, a run comes first: it tells whom it learned from.
    if (folder / CHECKPOINT).exists():
        found = read_averaged(SegmentationSettings, folder)
        synthesis, multiple = found.settings.synthesis, found.settings.network.multiple
        return NetworkErrors(
            folder=folder,
            networks=[found.network.eval()],
            spacing=synthesis.spacing,
            patch=synthesis.size,
            multiple=multiple,
            subjects_seen=found.subjects_seen,
            told=found.told,
        )
    if not (folder / INDEX).exists():
        raise FetaError(folder, "holds neither model.yaml nor checkpoint.pt", "name a folder of weights or of a run")
    files = read_model(folder).segmentation
    multiple = max(file.network.multiple for file in files)
    return NetworkErrors(folder, [load_network(file) for file in files], files[0].spacing, files[0].patch, multiple)
