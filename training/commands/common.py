"""What training's commands share: their arguments, the subjects that are held out, the way to shipped weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import typer

from feta.errors import FetaError

T = TypeVar("T")
CONFIGS = Path(__file__).parents[1] / "configs"
#: Seen by no model behind a reported figure.
VALIDATION = ("sub-crl24", "sub-crl30", "sub-crl36", "sub-sb23un", "sub-sb27op", "sub-sb31op")

Atlases = Annotated[Path, typer.Argument(help="Labelled BIDS folder: sub-*/anat/*_T2w.nii.gz with *_T2w_dseg.nii.gz.")]
Run = Annotated[Path, typer.Argument(help="Folder of the run; a run that was killed goes on from here.")]
Minutes = Annotated[float | None, typer.Option(help="Of computing; the learning rate reaches zero then.")]
Steps = Annotated[int | None, typer.Option(help="At which training ends.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
#: Not --start, which torchrun's parser takes for the beginning of two options of its own.
Start = Annotated[
    Path | None, typer.Option("--from", help="Run folder of the same network, from whose weights to start.")
]
Everything = Annotated[bool, typer.Option("--everything", help="Train on the validation subjects too.")]

Over = Annotated[
    list[Path] | None, typer.Option(help="More settings (YAML), which win over --config's; may be repeated.")
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another labelled folder to train on, such as one of `feta-train individuals`; may be repeated. Subjects "
        "made of some that are held out are left out."
    ),
]

Only = Annotated[
    str | None,
    typer.Option(help="Train on those subjects only whose names fit, such as 'sub-crl*'."),
]

Subjects = Annotated[
    str | None,
    typer.Option(
        help="Measure all whose names fit, such as 'sub-sb*' or '*'.", show_default="the six validation subjects"
    ),
]


def say(line: str) -> None:
    """Tell a person at the terminal, or a log."""
    print(line, file=sys.stderr, flush=True)


def loop_settings(minutes: float | None, steps: int | None) -> dict[str, dict[str, Any]]:
    """What was given of the loop's settings, as it stands in a settings file."""
    given = {"minutes": minutes, "steps": steps}
    return {"loop": {name: value for name, value in given.items() if value is not None}}


def prepare(
    atlases: Path,
    threads: int,
    everything: bool,
    also: Sequence[Path] = (),
    only: str | None = None,
    fold: tuple[int, int] | None = None,
    partial_labels: bool = False,
) -> Any:
    """Read subjects, and say whom nothing is learned from or measured on where that may surprise.

    Args:
        atlases: labelled folder.
        threads: of torch.
        everything: hold no subject out.
        also: other labelled folders to train on.
        only: pattern of the names that are trained on; None: all.
        fold: its number, and how many there are; its subjects take the place of the validation atlases.
        partial_labels: whether label maps may merge or lack tissues.

    Raises:
        FetaError: a folder is missing or unusable, no subject is left to train on, or options contradict each other.
    """
    import torch

    from training.data.partial_labels import COMPLETE
    from training.data.split import read_subjects
    from training.engine import distributed
    from training.folds import validation_fold

    for folder in (atlases, *also):
        if not folder.is_dir():
            raise FetaError(folder, "is not a folder", "name a labelled BIDS folder of T2w volumes")
    torch.set_num_threads(threads)
    keep = partial(fnmatchcase, pat=only) if only else lambda name: True
    if everything and fold:
        raise FetaError("--everything", "leaves nothing for a fold to validate on", "leave out --fold")
    validation = validation_fold(atlases, *fold) if fold else () if everything else VALIDATION
    subjects = read_subjects(atlases, validation, keep, also, partial_labels)
    if not subjects.training:
        if only:
            problem = f"holds no subject to train on whose name fits --only {only!r}"
            raise FetaError(atlases, problem, "name another pattern")
        problem = "holds no subject to train on: all are held out, or made of some that are"
        raise FetaError(atlases, problem, "train on them with --everything")
    if subjects.left_out and distributed.leads():
        name, origin = subjects.left_out[0]
        say(
            f"subjects left out, as they were made of some that are not trained on: {len(subjects.left_out)}, "
            f"such as {name} of {origin}"
            + ("; --everything learns from them, too" if origin in subjects.held_out else "")
        )
    if (known := subjects.known()) and distributed.leads():
        say(f"{len(known)} of those held out, such as {known[0]}, share origins with subjects that are trained on")
    if not (subjects.validation or everything) and distributed.leads():
        say(f"{atlases}: no subject is held out; `feta-train segmentation --fold 0` holds out a fifth to validate on")
    if subjects.validation and not any(s.groups == COMPLETE for s in subjects.validation) and distributed.leads():
        say(f"{atlases}: labels of those held out merge tissues, so that the log will hold no figures but the loss")
    return subjects


@dataclass(frozen=True)
class Export(Generic[T]):
    """A run's averaged weights, ready to be written.

    Attributes:
        entry: for model.yaml.
        data: of the file that it names.
        settings: that the run had.
    """

    entry: dict[str, Any]
    data: bytes
    settings: T


def export_run(kind: type[T], run: Path, name: str, spacing: float | None = None, int8: bool = False) -> Export[T]:
    """Read a run's averaged weights.

    Args:
        kind: of settings: ``SegmentationSettings`` and such, with a network and, unless spacing is given, a synthesis.
        run: its folder.
        name: of the file to be written.
        spacing: mm at which the network works; None: that of its synthesis.
        int8: kernels in a byte a number.

    Raises:
        FetaError: the folder holds no run, or one of another kind.
    """
    from feta.settings import settings_from
    from inference.networks.residual_unet import ResidualUNet
    from inference.networks.weights import packed
    from training.engine.architectures import shipped
    from training.engine.checkpoint import load_into, read_checkpoint

    checkpoint = run / "checkpoint.pt"
    state = read_checkpoint(checkpoint)
    settings: Any = settings_from(kind, state["made_of"]["settings"], checkpoint)
    check_kind(kind, settings, checkpoint)
    shape = shipped(settings.network)
    network = ResidualUNet(shape)
    load_into(network, state, "average", checkpoint)
    data, entry = packed(network, name, spacing or settings.synthesis.spacing, shape, int8)
    return Export(entry | {"steps": state["step"], "minutes": round(state["seconds"] / 60)}, data, settings)


def check_kind(kind: type, settings: Any, checkpoint: Path) -> None:
    """Refuse a network that takes or gives another number of channels than its kind does: networks look alike.

    Raises:
        FetaError: it is of another kind.
    """
    usual: Any = kind().network
    for name in ("inputs", "outputs"):
        found, wanted = getattr(settings.network, name), getattr(usual, name)
        if found != wanted:
            problem = f"is a run of another network: it has {found} {name}, and this one {wanted}"
            raise FetaError(checkpoint, problem, "name a run of the right command")


def ship(weights: Path, index: dict[str, Any], exports: Sequence[Export[Any]]) -> None:
    """Write files of weights and what model.yaml says of them into a folder, and say what it still lacks.

    Raises:
        FetaError: the folder can't be written, or its model.yaml can't be read.
    """
    import inference.networks.weights
    from feta.files import make_writable

    make_writable(weights)
    now = inference.networks.weights.ship(weights, {export.entry["file"]: export.data for export in exports}, index)
    for name in ("locator", "segmentation"):
        if name not in now:
            say(f"{weights}: holds no {name} yet, without which feta-infer cannot use it; `feta-train export` adds one")
