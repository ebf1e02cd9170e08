"""``feta-train autoencoder``, ``export-autoencoder``, ``topology-report``: a network that mends maps, and its worth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    VALIDATION,
    Atlases,
    Everything,
    Minutes,
    Run,
    Steps,
    Subjects,
    Threads,
    loop_settings,
    prepare,
)
from training.engine.export import check_kind, export_run, ship
from training.engine.log import say

if TYPE_CHECKING:
    from training.tasks.autoencoder import NetworkErrors

Config = Annotated[Path, typer.Option(help="Settings (YAML).")]


def autoencoder(
    atlases: Atlases,
    run: Run,
    network: Annotated[Path, typer.Option(help="Segmentation networks: a folder of weights, or of a run.")],
    config: Config = CONFIGS / "autoencoder.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
) -> None:
    """Train the autoencoder that mends the segmentation network's probability maps."""
    from feta.settings import read_settings
    from training.tasks.autoencoder import AutoencoderSettings, train_autoencoder

    settings = read_settings(AutoencoderSettings, config, loop_settings(minutes, steps))
    answers = answering(network)
    spacing = settings.synthesis.spacing
    if abs(answers.spacing - spacing) > 1e-6:
        problem = f"synthesis.spacing is {spacing:g} mm, and {network} works at {answers.spacing:g} mm"
        raise FetaError(config, problem, "make them equal")
    if answers.learned_from is None and not everything:
        say(f"{network}: doesn't say whom its networks learned from; name their run folder to have it checked")
    train_autoencoder(prepare(atlases, threads, everything), answers, settings, run, say)


def answering(folder: Path) -> NetworkErrors:
    """Segmentation networks whose answers are to be mended.

    Args:
        folder: of weights, which don't say whom they learned from, or of a training run (its averaged weights).

    Raises:
        FetaError: it holds neither, or they do not fit.
    """
    from inference.networks.weights import INDEX, load_network, read_model
    from training.tasks.autoencoder import NetworkErrors

    if (folder / INDEX).exists():
        files = read_model(folder).segmentation
        return NetworkErrors(folder, [load_network(file) for file in files], files[0].spacing)
    return _of_run(folder)


def _of_run(folder: Path) -> NetworkErrors:
    from feta.settings import settings_from
    from training.data.leakage import known_to
    from training.engine.architectures import make_network
    from training.engine.checkpoint import load_into, read_checkpoint
    from training.tasks.autoencoder import NetworkErrors
    from training.tasks.segmentation import SegmentationSettings

    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.exists():
        raise FetaError(folder, "holds neither model.yaml nor checkpoint.pt", "name a folder of weights or of a run")
    state = read_checkpoint(checkpoint)
    settings = settings_from(SegmentationSettings, state["made_of"]["settings"], checkpoint)
    check_kind(SegmentationSettings, settings, checkpoint)
    network = make_network(settings.network)
    load_into(network, state, "average", checkpoint)
    return NetworkErrors(folder, [network.eval()], settings.synthesis.spacing, known_to(state))


def export_autoencoder(
    weights: Annotated[Path, typer.Argument(help="Folder of weights; its model.yaml gets an entry more.")], run: Run
) -> None:
    """Turn a run's averaged weights into the float16 file that the submission ships."""
    from training.tasks.autoencoder import AutoencoderSettings

    export = export_run(AutoencoderSettings, run, "autoencoder.safetensors")
    ship(weights, {"autoencoder": export.entry}, [export])


def topology_report(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: step, subject, label, metric, value.")],
    weights: Annotated[Path, typer.Option(help="Folder with model.yaml.")] = Path("weights"),
    threads: Threads = os.cpu_count() or 1,
    subjects: Subjects = None,
) -> None:
    """Measure what each step towards the right topology gains and costs, on the six validation subjects or others."""
    import torch

    from training.assessment.topology_report import measure_topology

    torch.set_num_threads(threads)
    for line in measure_topology(atlases, weights, subjects or VALIDATION, output):
        print(line, flush=True)
