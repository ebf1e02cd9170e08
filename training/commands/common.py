"""What training's commands share: their arguments, the subjects that are held out, the way to shipped weights."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from feta.errors import FetaError
from training.engine.log import say

CONFIGS = Path(__file__).parents[1] / "configs"
#: CaseEvidence by no model behind a reported figure.
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
    from training.data.split import read_subjects, validation_fold
    from training.engine import distributed

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
