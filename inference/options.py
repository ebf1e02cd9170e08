"""Options that the forms of ``feta-infer`` share, each defined once, and old names of options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from inference.biometry.lengths import Method
from inference.derivatives.layout import Layout
from inference.report.convention import Convention
from inference.runs.outputs import Looks
from inference.runs.settings import Settings, default_weights

#: Old names of options; each is accepted for one release, with a line of warning.
RENAMED = {
    "--no-flips": "--no-tta",
    "--extraction": "--brain-extraction",
    "--no-extraction": "--no-brain-extraction",
}

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do finished cases again.")]
Participants = Annotated[Path | None, typer.Option(help="Gestational ages, TSV or CSV.")]
Stacks = Annotated[bool, typer.Option("--stacks", help="Raw stacks beside a rec-*, too.")]
Fast = Annotated[bool, typer.Option("--fast", help="Quickest: --no-tta --no-qc --no-report.")]
NoQc = Annotated[bool, typer.Option("--no-qc", help="Write no picture.")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no pages.")]
Neurological = Annotated[bool, typer.Option("--neurological", help="Pictures with the left on the left.")]
Surfaces = Annotated[bool, typer.Option("--surfaces", help="White and pial surfaces, GIFTI.")]
AllowUnmounted = Annotated[bool, typer.Option("--allow-unmounted", help="In a container: let results be lost.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Cases at once; else as many as fit.", show_default=False)
]
LayoutOption = Annotated[
    Layout, typer.Option("--layout", metavar="NAMES", help="Results' names: challenge or bids.", show_default=False)
]
Device = Annotated[str, typer.Option(help="auto (by default), cpu or cuda.", show_default=False)]
Weights = Annotated[
    Path | None,
    typer.Option(help="Folder, or nnU-Net v2; else FETA_WEIGHTS.", show_default=False),
]
Tta = Annotated[
    bool | None,
    typer.Option("--tta/--no-tta", help="Test-time augmentation (of nnU-Net: on).", show_default=False),
]
Topology = Annotated[bool, typer.Option(help="Construct tissues' topology; by default.", show_default=False)]
Autoencoder = Annotated[
    bool,
    typer.Option(
        "--autoencoder/--no-autoencoder",
        help="Denoising autoencoder post-processing.",
        show_default=False,
    ),
]
BrainExtraction = Annotated[
    bool,
    typer.Option(
        "--brain-extraction/--no-brain-extraction", help="Brain extraction first; by default.", show_default=False
    ),
]
Baseline = Annotated[Path | None, typer.Option(metavar="JSON", help=r"{measure: \[intercept, slope]} for curves.")]
Biometry = Annotated[
    Method,
    typer.Option(
        metavar="METHOD", help="fusion (by default), heatmap, geometry, regression or age alone.", show_default=False
    ),
]


def looks(*, no_qc: bool, no_report: bool, neurological: bool, surfaces: bool = False) -> Looks:
    """What a person looks at, by the options of a call."""
    convention = Convention.NEUROLOGICAL if neurological else Convention.RADIOLOGICAL
    return Looks(picture=not no_qc, report=not no_report, convention=convention, surfaces=surfaces)


def network_options(
    device: Device = "auto",
    weights: Weights = None,
    tta: Tta = None,
    topology: Topology = True,
    autoencoder: Autoencoder = False,
    brain_extraction: BrainExtraction = True,
) -> dict[str, Any]:
    """How label maps are made, as arguments of ``Settings``."""
    return {
        "weights": weights or default_weights(),
        "device": device,
        "mirror_tta": tta,
        "topology": topology,
        "autoencoder": autoencoder,
        "brain_extraction": brain_extraction,
    }


def length_options(ga_baseline: Baseline = None, biometry: Biometry = Method.FUSION) -> dict[str, Any]:
    """How lengths are found, as arguments of ``Settings``."""
    return {"ga_baseline": ga_baseline, "biometry": biometry}


def takes(*groups: Callable[..., Mapping[str, Any]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command so that the options of these groups make up its last argument, ``settings``.

    Args:
        groups: functions of options that give arguments of ``Settings``.
    """
    shared = {group: list(inspect.signature(group, eval_str=True).parameters.values()) for group in groups}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(**given: Any) -> None:
            fields: dict[str, Any] = {}
            for group, parameters in shared.items():
                fields |= group(**{p.name: given.pop(p.name) for p in parameters})
            command(**given, settings=Settings(**fields))

        own = inspect.signature(command, eval_str=True)
        kept = [p for p in own.parameters.values() if p.name != "settings"]
        together = [*kept, *(p for parameters in shared.values() for p in parameters)]
        keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in together]
        called.__signature__ = own.replace(parameters=keywords)  # type: ignore[attr-defined]
        return called

    return decorate


def by_new_names(arguments: Sequence[str]) -> list[str]:
    """The arguments of a call with old names of options replaced, and a line of warning for each of them."""
    for old in RENAMED:
        if old in arguments:
            print(f"warning: {old} is now {RENAMED[old]}; the old name will go with the next release", file=sys.stderr)
    return [RENAMED.get(argument, argument) for argument in arguments]
