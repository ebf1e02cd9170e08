"""``feta-train fit anatomy``: the generative model of fetal anatomy that cohorts are simulated with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    CORES,
    VALIDATION,
    Atlases,
    Config,
    Everything,
    Minutes,
    Only,
    Pretrained,
    Run,
    Steps,
    Threads,
    loop_settings,
    require_folder,
)
from training.engine.log import report


def anatomy(
    atlases: Atlases,
    run: Run,
    out: Annotated[Path | None, typer.Option(help="File for the weights [RUN/anatomy.safetensors].")] = None,
    config: Config = CONFIGS / "anatomy.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = CORES,
    everything: Everything = False,
    pretrained: Pretrained = None,
    only: Only = None,
) -> None:
    """Train a generative model of fetal anatomy on atlases and their participants.tsv, and export it."""
    import torch

    from feta.files import make_writable
    from feta.settings import read_settings
    from inference.networks.weights import OPTIONAL, described, ship
    from training.tasks.anatomy import AnatomyRunSettings, train_anatomy

    settings = read_settings(AnatomyRunSettings, config, loop_settings(minutes, steps))
    path = out or run / "anatomy.safetensors"
    # What can't be written is said before hours of training.
    make_writable(path.parent)
    described(path.parent)
    if path.is_dir():
        raise FetaError(path, "is a folder", "name a file with --out")
    if path.suffix != ".safetensors" or path.stem in ("locator", "segmentation", *OPTIONAL):
        raise FetaError(path, "is no name for an anatomy", "name a file such as anatomy.safetensors with --out")
    torch.set_num_threads(threads)
    held_out = () if everything else VALIDATION
    model = train_anatomy(require_folder(atlases), held_out, settings, run, report, pretrained, only or "*")
    data, entry = model.packed(path.name, settings.network)
    ship(path.parent, {path.name: data}, {path.stem: entry})
    typer.echo(f"{path}: sha256 {entry['sha256']}")
