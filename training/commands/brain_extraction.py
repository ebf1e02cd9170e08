"""``feta-train extraction`` and ``export-extraction``: the network that tells the brain from its surroundings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    Also,
    Atlases,
    Everything,
    Minutes,
    Run,
    Start,
    Steps,
    Threads,
    loop_settings,
    prepare,
)
from training.engine.export import export_run, ship
from training.engine.log import say

Config = Annotated[Path, typer.Option(help="Settings (YAML).")]
Painted = Annotated[
    list[Path] | None, typer.Option(help="Folder of painted heads, of `feta-train heads`; may be repeated.")
]


def extraction(
    atlases: Atlases,
    run: Run,
    config: Config = CONFIGS / "extraction.yaml",
    heads: Painted = None,
    also: Also = None,
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
    start: Start = None,
) -> None:
    """Train the network that tells the brain from what lies around it."""
    from feta.settings import read_settings
    from training.synthesis.painted_heads import read_heads
    from training.tasks.brain_extraction import ExtractionSettings, train_extraction

    settings = read_settings(ExtractionSettings, config, loop_settings(minutes, steps))
    for folder in heads or ():
        if not folder.is_dir():
            raise FetaError(folder, "is not a folder", "make it with `feta-train heads`")
    subjects = prepare(atlases, threads, everything, also or ())
    painted = [head for folder in heads or () for head in read_heads(folder)]
    apart = [head for head in painted if not subjects.barred.intersection((head.subject.name, *head.subject.origins))]
    if len(apart) < len(painted):
        say(f"--heads: left out, as they are of subjects that are not trained on: {len(painted) - len(apart)}")
    train_extraction(subjects, apart, settings, run, say, start)


def export_extraction(
    weights: Annotated[Path, typer.Argument(help="Folder of weights; its model.yaml gets an entry more.")], run: Run
) -> None:
    """Turn a run's averaged weights into the float16 file that the submission ships."""
    from training.tasks.brain_extraction import ExtractionSettings

    export = export_run(ExtractionSettings, run, "extraction.safetensors")
    ship(weights, {"extraction": export.entry | {"patch": export.settings.synthesis.size}}, [export])
