"""The commands that train networks, export them as shipped weights, and measure them on the validation subjects."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from feta.errors import FetaError
from training.commands.common import (
    CONFIGS,
    VALIDATION,
    Also,
    Atlases,
    Everything,
    Minutes,
    Only,
    Over,
    Run,
    Start,
    Steps,
    Subjects,
    Threads,
    loop_settings,
    prepare,
)
from training.engine.export import Export, export_run, ship
from training.engine.log import say


def segmentation(
    atlases: Atlases,
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings (YAML).")] = CONFIGS / "segmentation.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
    start: Start = None,
    also: Also = None,
    only: Only = None,
    over: Over = None,
    fold: Annotated[
        int | None, typer.Option(help="Validate on this fold, 0 to --folds − 1, and train on the others.")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="How many folds there are.", show_default="5")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train the segmentation network; `torchrun -m training segmentation …` trains it on several GPUs or machines."""
    from feta.settings import read_settings
    from inference.networks.device import choose
    from training.data.split import FOLDS
    from training.tasks.segmentation import SegmentationSettings, train_segmentation

    if folds and fold is None:
        raise FetaError("--folds", f"{folds} says how many folds there are, not which to validate on", "add --fold 0")
    settings = read_settings(SegmentationSettings, config, loop_settings(minutes, steps), over or ())
    which = None if fold is None else (fold, folds or FOLDS)
    subjects = prepare(atlases, threads, everything, also or (), only, which, partial_labels=True)
    train_segmentation(subjects, settings, run, say, start, choose(device))


def locator(
    atlases: Atlases,
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings (YAML).")] = CONFIGS / "locator.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = os.cpu_count() or 1,
    everything: Everything = False,
) -> None:
    """Train the network that finds the brain and its pose."""
    from feta.settings import read_settings
    from training.tasks.locator import LocatorSettings, train_locator

    settings = read_settings(LocatorSettings, config, loop_settings(minutes, steps))
    train_locator(prepare(atlases, threads, everything), settings, run, say)


def export(
    weights: Annotated[Path, typer.Argument(help="Folder to write model.yaml and the weights into.")],
    segmentation_run: Annotated[list[Path], typer.Option(help="Run folder of a network; several: ensemble.")],
    locator_run: Annotated[Path | None, typer.Option(help="Of the locator; the folder's own stays without.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Segmentation weights in a byte each: half the size.")] = False,
) -> None:
    """Turn the averaged weights of training runs into the float16 files that the submission ships."""
    from training.tasks.locator import LocatorSettings
    from training.tasks.segmentation import SegmentationSettings

    # All is read before anything is written: a mistyped run must leave the folder as it was.
    networks = []
    for i, run in enumerate(segmentation_run):
        name = "segmentation" if len(segmentation_run) == 1 else f"segmentation-{i + 1}"
        networks.append(export_run(SegmentationSettings, run, f"{name}.safetensors", int8=int8))
    spacings = {export.entry["spacing"] for export in networks}
    if len(spacings) > 1:
        problem = f"networks at {' and '.join(f'{mm:g}' for mm in sorted(spacings))} mm make no ensemble"
        raise FetaError("--segmentation-run", problem, "name runs with the same synthesis.spacing")
    entries = [export.entry | {"patch": export.settings.synthesis.size} for export in networks]
    index: dict[str, Any] = {"segmentation": entries}
    exports: list[Export[Any]] = [*networks]
    if locator_run is not None:
        exports.append(export_run(LocatorSettings, locator_run, "locator.safetensors"))
        index["locator"] = exports[-1].entry
    ship(weights, index, exports)


def validate(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: condition, subject, label, metric, value.")],
    weights: Annotated[Path, typer.Option(help="Folder with model.yaml.")] = Path("weights"),
    threads: Threads = os.cpu_count() or 1,
    subjects: Subjects = None,
) -> None:
    """Measure weights on the six validation subjects or others, as they are and turned, noisy and biased."""
    import torch

    from training.assessment.validation import CONDITIONS, measure_validation

    torch.set_num_threads(threads)
    for line in measure_validation(atlases, weights, subjects or VALIDATION, CONDITIONS, output):
        print(line, flush=True)


def stress(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: condition, subject, label, metric, value.")],
    weights: Annotated[Path, typer.Option(help="Folder with model.yaml.")] = Path("weights"),
    threads: Threads = os.cpu_count() or 1,
    only: Annotated[
        list[str] | None, typer.Option(help="One condition, such as 'tight mask'; may be repeated.")
    ] = None,
    subjects: Subjects = None,
) -> None:
    """Measure weights on the six validation subjects or others under stress: turned, noise, motion, unmasked…"""
    import torch

    from training.assessment.validation import measure_stress

    torch.set_num_threads(threads)
    for line in measure_stress(atlases, weights, subjects or VALIDATION, output, only or ()):
        print(line, flush=True)


COMMANDS: tuple[Callable[..., None], ...] = (segmentation, locator, export, validate, stress)
