"""``feta-train fit segmentation``: the network that labels the upright brain."""

from __future__ import annotations

from typing import Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    CORES,
    Also,
    Atlases,
    Config,
    Everything,
    Minutes,
    Only,
    Over,
    Pretrained,
    Run,
    Steps,
    Threads,
    loop_settings,
)
from training.commands.fit.subjects import training_subjects
from training.engine.log import report

Fold = Annotated[int | None, typer.Option(help="Validate on this fold, 0 to --folds − 1, and train on the others.")]
Folds = Annotated[int | None, typer.Option(min=2, help="How many folds there are.", show_default="5")]


def segmentation(
    atlases: Atlases,
    run: Run,
    config: Config = CONFIGS / "segmentation.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = CORES,
    everything: Everything = False,
    pretrained: Pretrained = None,
    also: Also = None,
    only: Only = None,
    over: Over = None,
    fold: Fold = None,
    folds: Folds = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train the segmentation network; several GPUs or machines: `torchrun -m training fit segmentation …`."""
    from feta.settings import read_settings
    from inference.networks.device import choose
    from training.data.split import FOLDS
    from training.tasks.segmentation import SegmentationSettings, train_segmentation

    if folds and fold is None:
        raise FetaError("--folds", f"{folds} says how many folds there are, not which to validate on", "add --fold 0")
    settings = read_settings(SegmentationSettings, config, loop_settings(minutes, steps), over or ())
    which = None if fold is None else (fold, folds or FOLDS)
    subjects = training_subjects(atlases, threads, everything, also or (), only, which, partial_labels=True)
    train_segmentation(subjects, settings, run, report, pretrained, choose(device))
