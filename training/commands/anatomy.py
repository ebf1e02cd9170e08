"""``feta-train anatomy`` learns the anatomy; ``feta-train reproduce`` says how well it knows atlases it never saw."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    VALIDATION,
    Atlases,
    Everything,
    Minutes,
    Run,
    Start,
    Steps,
    Threads,
    loop_settings,
)
from training.engine.log import say

#: The one that never saw the validation subjects.
HELD_OUT = Path(__file__).parents[2] / "weights" / "anatomy-held-out.safetensors"


def anatomy(
    atlases: Atlases,
    run: Run,
    out: Annotated[Path | None, typer.Option(help="File for the weights [RUN/anatomy.safetensors].")] = None,
    config: Annotated[Path, typer.Option(help="Settings (YAML).")] = CONFIGS / "anatomy.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
    start: Start = None,
) -> None:
    """Learn a generative model of fetal anatomy from atlases and their participants.tsv."""
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
    model = train_anatomy(_folder(atlases), () if everything else VALIDATION, settings, run, say, start)
    data, entry = model.packed(path.name, settings.network)
    ship(path.parent, {path.name: data}, {path.stem: entry})
    typer.echo(f"{path}: sha256 {entry['sha256']}")


def reproduce(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: subject, label, dice.")],
    weights: Annotated[Path, typer.Option(help="The learned anatomy; it must not have seen the subjects.")] = HELD_OUT,
    subject: Annotated[
        list[str] | None, typer.Option(help="Subject to reproduce; several: repeat. [the validation subjects]")
    ] = None,
    threads: Threads = os.cpu_count() or 1,
) -> None:
    """Compare the model's average brain of an age with atlases of that age: Dice by tissue."""
    import torch

    from training.anatomy.model import Anatomy
    from training.tasks.anatomy import write_reproduction

    torch.set_num_threads(threads)
    for line in write_reproduction(Anatomy.load(weights), _folder(atlases), tuple(subject or VALIDATION), output):
        typer.echo(line)


def _folder(atlases: Path) -> Path:
    if not atlases.is_dir():
        raise FetaError(atlases, "is not a folder", "name a labelled BIDS folder of T2w volumes")
    return atlases
