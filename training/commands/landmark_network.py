"""``feta-train heatmaps`` and ``export-heatmaps``: the landmark network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
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
    Threads,
    loop_settings,
)
from training.engine.export import export_run, ship
from training.engine.log import say

if TYPE_CHECKING:
    from feta.grid import Matrix
    from feta.volumes import Volume
    from training.tasks.landmark_network import Heads
    from training.tasks.landmark_subjects import LandmarkHead, Segment

#: One in so many of the measured subjects is kept for validation.
_HELD_OUT = 12
Config = Annotated[Path, typer.Option(help="Settings (YAML).")]


def heatmaps(
    atlases: Atlases,
    run: Run,
    measured: Annotated[
        list[Path] | None,
        typer.Option(help="Data set with landmark images in the challenge's layout; may be repeated."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights that segment the measured images: labels as they will be, and pose.")
    ] = None,
    config: Config = CONFIGS / "landmarks.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
) -> None:
    """Train the network that finds the ends of the five lengths."""
    import torch

    from feta.settings import read_settings
    from training.tasks.landmark_network import LandmarkSettings, train_heatmaps

    settings = read_settings(LandmarkSettings, config, loop_settings(minutes, steps))
    for folder in (atlases, *(measured or ())):
        if not folder.is_dir():
            raise FetaError(folder, "is not a folder", "name a BIDS folder of T2w volumes")
    torch.set_num_threads(threads)
    if measured and weights and not everything:
        say(f"{weights}: doesn't say whom its networks learned from; they may know those held out")
    train_heatmaps(_heads(atlases, measured or (), weights, () if everything else VALIDATION), settings, run, say)


def _heads(atlases: Path, measured: Sequence[Path], weights: Path | None, validation: tuple[str, ...]) -> Heads:
    """Read what is trained on, and keep some of it for validation: subjects, whatever folder they are in."""
    from training.data.provenance import read_origins
    from training.tasks.landmark_network import Heads
    from training.tasks.landmark_subjects import labelled_heads, measured_heads

    defined = list(labelled_heads(atlases))
    segment = None if weights is None else _segmenter(weights)
    known: list[list[LandmarkHead]] = []
    for folder in measured:
        known.append(list(measured_heads(folder, segment)))
        say(f"{folder}: {len(known[-1])} heads")
    names = sorted({head.subject for heads in known for head in heads})
    held_out = {*validation, *(names[_HELD_OUT - 1 :: _HELD_OUT] if validation else ())}
    of_atlases, *of_measured = (
        [replace(head, origins=origins.get(head.subject, frozenset())) for head in heads]
        for heads, origins in zip((defined, *known), read_origins([atlases, *measured]), strict=True)
    )
    found = of_atlases, [head for heads in of_measured for head in heads]
    kept = [head for heads in found for head in heads if head.subject in held_out]
    learned = [[h for h in heads if not held_out.intersection((h.subject, *h.origins))] for heads in found]
    of_definition, of_experts = learned
    if left_out := sum(map(len, found)) - sum(map(len, (*learned, kept))):
        say(f"heads left out, as they were made of subjects that are held out: {left_out}")
    return Heads(of_definition, of_experts, kept)


def _segmenter(weights: Path) -> Segment:
    from inference.networks.device import choose
    from inference.networks.weights import read_model
    from inference.segmentation.segmenter import load_segmenter

    segmenter = load_segmenter(read_model(weights), choose(), mirror_tta=False, topology=False)

    def segment(image: Volume) -> tuple[Volume, Matrix]:
        found = segmenter(image)
        return found.labels, found.to_canonical

    return segment


def export_heatmaps(
    weights: Annotated[Path, typer.Argument(help="Folder with model.yaml; gets landmarks.safetensors.")],
    run: Run,
) -> None:
    """Turn the averaged weights of a run into the float16 file that the submission ships."""
    from training.tasks.landmark_network import NOMINAL_MM, LandmarkSettings

    export = export_run(LandmarkSettings, run, "landmarks.safetensors", NOMINAL_MM)
    ship(weights, {"landmarks": export.entry}, [export])
