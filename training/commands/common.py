"""What the commands of ``feta-train`` share: their arguments and options, and the subjects held out by default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from feta.errors import FetaError
from feta.machine import usable_cores

CONFIGS = Path(__file__).parents[1] / "configs"
_WEIGHTS = Path(__file__).parents[2] / "weights"
#: The learned anatomy that the project ships, and the one that never saw the validation subjects.
ANATOMY, HELD_OUT = _WEIGHTS / "anatomy.safetensors", _WEIGHTS / "anatomy-held-out.safetensors"
#: Held out from training: no model behind a reported figure has seen them.
VALIDATION = ("sub-crl24", "sub-crl30", "sub-crl36", "sub-sb23un", "sub-sb27op", "sub-sb31op")
CORES = usable_cores()

Atlases = Annotated[Path, typer.Argument(help="Labelled BIDS folder: sub-*/anat/*_T2w.nii.gz with *_T2w_dseg.nii.gz.")]
Labelled = Annotated[Path, typer.Argument(help="Labelled BIDS folder to write; those already there are kept.")]
Run = Annotated[Path, typer.Argument(help="Folder of the run; a run that was killed is resumed from here.")]
Config = Annotated[Path, typer.Option(help="Settings (YAML).")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a core")]

Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same data.")]
Count = Annotated[int, typer.Option(min=1, help="How many.")]
AnatomyWeights = Annotated[Path, typer.Option("--anatomy", help="Weights of the learned anatomy.")]
Pathological = Annotated[float, typer.Option(min=0, max=1, help="Share of pathological brains.")]

Findings = Annotated[
    Path | None,
    typer.Option(
        help="Settings (YAML) of the findings of pathological brains, such as training/configs/findings.yaml.",
        show_default="those of before",
    ),
]

Minutes = Annotated[float | None, typer.Option(help="Of computing; the learning rate reaches zero then.")]
Steps = Annotated[int | None, typer.Option(help="At which training ends.")]
Everything = Annotated[bool, typer.Option("--everything", help="Train on the validation subjects too.")]
Pretrained = Annotated[
    Path | None, typer.Option(help="Run folder of the same network, or folder of weights, that this run fine-tunes.")
]
Over = Annotated[
    list[Path] | None, typer.Option(help="More settings (YAML), which win over --config's; may be repeated.")
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        help="Another labelled folder to train on, such as one of `data individuals`; may be repeated. Subjects made "
        "of held-out ones are left out."
    ),
]
Only = Annotated[str | None, typer.Option(help="Train on those subjects only whose names fit, such as 'sub-crl*'.")]

Weights = Annotated[Path, typer.Option(help="Folder with model.yaml.")]
Subjects = Annotated[
    str | None,
    typer.Option(
        help="Measure all whose names fit, such as 'sub-sb*', '*', or several with blanks.",
        show_default="the six validation subjects",
    ),
]


def loop_settings(minutes: float | None, steps: int | None) -> dict[str, dict[str, Any]]:
    """What was given of the loop's settings, as it stands in a settings file."""
    given = {"minutes": minutes, "steps": steps}
    return {"loop": {name: value for name, value in given.items() if value is not None}}


def require_folder(folder: Path) -> Path:
    """The folder itself.

    Raises:
        FetaError: it is none.
    """
    if not folder.is_dir():
        raise FetaError(folder, "is not a folder", "name a labelled BIDS folder of T2w volumes")
    return folder


def require_anatomy(weights: Path) -> Path:
    """The weights of a learned anatomy.

    Raises:
        FetaError: there is no such file.
    """
    if not weights.exists():
        raise FetaError(weights, "is missing, so that there is no learned anatomy", "name the file with --anatomy")
    return weights


def drawn_files(out: Path, kind: str, number: int) -> tuple[Path, Path]:
    """Image and label map of one of the volumes that a command of ``data`` draws into a folder, such as a head."""
    subject = f"sub-{kind}{number:04d}"
    folder = out / subject / "anat"
    return folder / f"{subject}_T2w.nii.gz", folder / f"{subject}_T2w_dseg.nii.gz"
