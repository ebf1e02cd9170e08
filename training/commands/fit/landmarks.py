"""``feta-train fit landmarks``: the network that finds the ends of the five lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands.common import (
    CONFIGS,
    CORES,
    VALIDATION,
    Atlases,
    Config,
    Everything,
    Minutes,
    Run,
    Steps,
    Threads,
    loop_settings,
    require_folder,
)
from training.engine.log import report

if TYPE_CHECKING:
    from feta.grid import Matrix
    from feta.volumes import Volume
    from training.tasks.landmark_network import Heads
    from training.tasks.landmark_subjects import LandmarkHead, Segment

#: One in so many of the measured subjects is kept for validation.
_HELD_OUT = 12


def landmarks(
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
    threads: Threads = CORES,
    everything: Everything = False,
) -> None:
    """Train the network that finds the ends of the five lengths."""
    import torch

    from feta.settings import read_settings
    from training.tasks.landmark_network import LandmarkSettings, train_landmark_network

    settings = read_settings(LandmarkSettings, config, loop_settings(minutes, steps))
    for folder in (atlases, *(measured or ())):
        require_folder(folder)
    torch.set_num_threads(threads)
    if measured and weights and not everything:
        report(f"{weights}: doesn't say whom its networks learned from; they may know those held out")
    heads = read_landmark_heads(atlases, measured or (), weights, () if everything else VALIDATION)
    train_landmark_network(heads, settings, run, report)


def read_landmark_heads(
    atlases: Path, measured: Sequence[Path], weights: Path | None, validation: tuple[str, ...]
) -> Heads:
    """Read what is trained on, and keep some of it for validation: subjects, whatever folder they are in."""
    from training.data.leakage import leaks
    from training.data.provenance import read_source_subjects
    from training.tasks.landmark_network import Heads
    from training.tasks.landmark_subjects import labelled_heads, measured_heads

    defined = list(labelled_heads(atlases))
    segment = None if weights is None else _segmenter(weights)
    known: list[list[LandmarkHead]] = []
    for folder in measured:
        known.append(list(measured_heads(folder, segment)))
        report(f"{folder}: {len(known[-1])} heads")
    names = sorted({head.subject for heads in known for head in heads})
    held_out = {*validation, *(names[_HELD_OUT - 1 :: _HELD_OUT] if validation else ())}
    of_atlases, *of_measured = (
        [replace(head, source_subjects=sources.get(head.subject, frozenset())) for head in heads]
        for heads, sources in zip((defined, *known), read_source_subjects([atlases, *measured]), strict=True)
    )
    found = of_atlases, [head for heads in of_measured for head in heads]
    kept = [head for heads in found for head in heads if head.subject in held_out]
    learned = [[h for h in heads if not leaks(h.subject, h.source_subjects, held_out)] for heads in found]
    of_definition, of_experts = learned
    if left_out := sum(map(len, found)) - sum(map(len, (*learned, kept))):
        report(f"heads left out, as they were made of subjects that are held out: {left_out}")
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
