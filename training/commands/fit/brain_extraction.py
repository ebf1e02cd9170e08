"""``feta-train fit brain-extraction``: the network that tells the brain from its surroundings."""

from __future__ import annotations

from pathlib import Path
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
    Pretrained,
    Run,
    Steps,
    Threads,
    loop_settings,
)
from training.commands.fit.subjects import training_subjects
from training.engine.log import report

Stacks = Annotated[
    Path | None, typer.Option(help="Folder of the real stacks that training/configs/surroundings.yaml names.")
]
Painted = Annotated[list[Path] | None, typer.Option(help="Folder of painted heads, of `data heads`; may be repeated.")]


def brain_extraction(
    atlases: Atlases,
    run: Run,
    config: Config = CONFIGS / "extraction.yaml",
    heads: Painted = None,
    stacks: Stacks = None,
    also: Also = None,
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = CORES,
    everything: Everything = False,
    pretrained: Pretrained = None,
) -> None:
    """Train the network that tells the brain from what lies around it."""
    from feta.settings import read_settings
    from training.data.leakage import leaks
    from training.synthesis.painted_heads import read_heads
    from training.synthesis.real_surroundings import read_stacks
    from training.tasks.brain_extraction import BrainExtractionSettings, train_brain_extraction

    settings = read_settings(BrainExtractionSettings, config, loop_settings(minutes, steps))
    for folder in heads or ():
        if not folder.is_dir():
            raise FetaError(folder, "is not a folder", "make it with `feta-train data heads`")
    subjects = training_subjects(atlases, threads, everything, also or ())
    painted = [head for folder in heads or () for head in read_heads(folder)]
    apart = [h for h in painted if not leaks(h.subject.name, h.subject.source_subjects, subjects.excluded)]
    if len(apart) < len(painted):
        report(f"--heads: left out, as they are of subjects that are not trained on: {len(painted) - len(apart)}")
    if stacks and not apart:
        raise FetaError("--stacks", "real stacks are put around painted heads", "name some with --heads")
    real = read_stacks(stacks, CONFIGS / "surroundings.yaml") if stacks else []
    train_brain_extraction(subjects, apart, settings, run, report, pretrained, real)
