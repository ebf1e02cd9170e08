"""The commands that train networks, export them as shipped weights, and measure them on the validation subjects."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from feta.errors import FetaError

CONFIGS = Path(__file__).parent / "configs"
#: Seen by no model behind a reported figure.
VALIDATION = ("sub-crl24", "sub-crl30", "sub-crl36", "sub-sb23un", "sub-sb27op", "sub-sb31op")

Atlases = Annotated[Path, typer.Argument(help="Labelled BIDS folder: sub-*/anat/*_T2w.nii.gz with *_T2w_dseg.nii.gz.")]
Run = Annotated[Path, typer.Argument(help="Folder of the run; a run that was killed goes on from here.")]
Minutes = Annotated[float | None, typer.Option(help="Of computing; the learning rate reaches zero then.")]
Steps = Annotated[int | None, typer.Option(help="At which training ends.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Start = Annotated[Path | None, typer.Option(help="Run folder of the same network, from whose weights to start.")]
Everything = Annotated[bool, typer.Option("--everything", help="Train on the validation subjects too.")]


Also = Annotated[
    list[Path] | None,
    typer.Option(help="Another labelled folder to train on, such as one of `feta-train individuals`; may be repeated."),
]

Only = Annotated[
    str | None,
    typer.Option(help="Train on those subjects only whose names fit, such as 'sub-crl*'."),
]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _loop(minutes: float | None, steps: int | None) -> dict[str, dict[str, Any]]:
    given = {"minutes": minutes, "steps": steps}
    return {"loop": {name: value for name, value in given.items() if value is not None}}


def _prepare(
    atlases: Path,
    threads: int,
    everything: bool,
    also: Sequence[Path] = (),
    only: str | None = None,
    fold: tuple[int, int] | None = None,
    partial_labels: bool = False,
) -> Any:
    """Read subjects; those of a fold (its number, and how many there are) take the place of the validation atlases."""
    import torch

    from training.cohorts import read_subjects
    from training.folds import validation_fold

    for folder in (atlases, *also):
        if not folder.is_dir():
            raise FetaError(folder, "is not a folder", "name a labelled BIDS folder of T2w volumes")
    torch.set_num_threads(threads)
    keep = partial(fnmatchcase, pat=only) if only else lambda name: True
    if everything and fold:
        raise FetaError("--everything", "leaves nothing for a fold to validate on", "leave out --fold")
    validation = validation_fold(atlases, *fold) if fold else () if everything else VALIDATION
    return read_subjects(atlases, validation, keep, also, partial_labels)


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
    over: Annotated[Path | None, typer.Option(help="More settings (YAML), which win over --config's.")] = None,
    fold: Annotated[int | None, typer.Option(help="Validate on this fold, 0 to 4, and train on the others.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds there are.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train the segmentation network; `torchrun -m training segmentation …` trains it on several GPUs or machines."""
    from evaluation.settings import read_settings
    from inference.device import choose
    from training.segmentation import SegmentationSettings, train_segmentation

    settings = read_settings(SegmentationSettings, config, _loop(minutes, steps), over)
    which = None if fold is None else (fold, folds)
    subjects = _prepare(atlases, threads, everything, also or (), only, which, partial_labels=True)
    train_segmentation(subjects, settings, run, _say, start, choose(device))


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
    from evaluation.settings import read_settings
    from training.locator import LocatorSettings, train_locator

    settings = read_settings(LocatorSettings, config, _loop(minutes, steps))
    train_locator(_prepare(atlases, threads, everything), settings, run, _say)


def export(
    weights: Annotated[Path, typer.Argument(help="Folder to write model.yaml and the weights into.")],
    locator_run: Annotated[Path, typer.Option(help="Run folder of the locator.")],
    segmentation_run: Annotated[list[Path], typer.Option(help="Run folder of a network; several: ensemble.")],
    locator_config: Annotated[Path, typer.Option(help="Its settings.")] = CONFIGS / "locator.yaml",
    segmentation_config: Annotated[Path, typer.Option(help="Their settings.")] = CONFIGS / "segmentation.yaml",
) -> None:
    """Turn the averaged weights of training runs into the float16 files that the submission ships."""
    from evaluation.settings import read_settings
    from inference.weights import describe
    from training.locator import LocatorSettings
    from training.segmentation import SegmentationSettings

    weights.mkdir(parents=True, exist_ok=True)
    where = read_settings(LocatorSettings, locator_config)
    what = read_settings(SegmentationSettings, segmentation_config)
    entries = []
    for i, run in enumerate(segmentation_run):
        name = "segmentation" if len(segmentation_run) == 1 else f"segmentation-{i + 1}"
        entries.append(_export(run, weights / f"{name}.safetensors", what))
    index = {"locator": _export(locator_run, weights / "locator.safetensors", where), "segmentation": entries}
    describe(weights, index)


def _export(run: Path, path: Path, settings: Any, spacing: float | None = None) -> dict[str, Any]:
    """Write a run's averaged weights, of the synthesis's spacing (mm) or another; the entry for model.yaml."""
    import torch

    from inference.network import ResidualUNet
    from inference.weights import save_network
    from training.architectures import shipped

    checkpoint = run / "checkpoint.pt"
    if not checkpoint.exists():
        raise FetaError(checkpoint, "does not exist", "train first")
    shape = shipped(settings.network)
    network = ResidualUNet(shape)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network.load_state_dict(state["average"])
    entry = save_network(network, path, spacing or settings.synthesis.spacing, shape)
    return entry | {"steps": state["step"], "minutes": round(state["seconds"] / 60)}


def validate(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: condition, subject, label, metric, value.")],
    weights: Annotated[Path, typer.Option(help="Folder with model.yaml.")] = Path("weights"),
    threads: Threads = os.cpu_count() or 1,
) -> None:
    """Measure the shipped weights on the six validation subjects, as they are and turned, noisy and biased."""
    import torch

    from training.validation import CONDITIONS, measure_validation

    torch.set_num_threads(threads)
    for line in measure_validation(atlases, weights, VALIDATION, CONDITIONS, output):
        print(line, flush=True)


def stress(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: condition, subject, label, metric, value.")],
    weights: Annotated[Path, typer.Option(help="Folder with model.yaml.")] = Path("weights"),
    threads: Threads = os.cpu_count() or 1,
    only: Annotated[
        list[str] | None, typer.Option(help="One condition, such as 'tight mask'; may be repeated.")
    ] = None,
) -> None:
    """Measure weights on the six validation subjects, turned, at other spacings, with noise, bias, motion, unmasked…"""
    import torch

    from training.validation import measure_stress

    torch.set_num_threads(threads)
    for line in measure_stress(atlases, weights, VALIDATION, output, only or ()):
        print(line, flush=True)


COMMANDS: tuple[Callable[..., None], ...] = (segmentation, locator, export, validate, stress)
