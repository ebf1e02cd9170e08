"""``feta-train``: simulated cohorts, and the networks that the submission runs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

import typer

from feta.errors import FetaError
from feta.files import following_links
from feta.machine import end_quickly, heed_quota, keep_freed_memory, sleep_while_waiting
from training.commands import export
from training.commands.assess.age import age_line, ga_baseline
from training.commands.assess.anatomy import anatomy as assess_anatomy
from training.commands.assess.appearance import appearance
from training.commands.assess.biometry import biometry
from training.commands.assess.biometry import landmarks as assess_landmarks
from training.commands.assess.calibrate import calibrate
from training.commands.assess.confidence import age_from_image, confidence
from training.commands.assess.experts import experts, percentiles
from training.commands.assess.further_lengths import further_lengths
from training.commands.assess.networks import bench, degraded, robustness, topology, validate
from training.commands.data.degrade import degrade
from training.commands.data.heads import heads
from training.commands.data.individuals import individuals
from training.commands.data.picture import picture
from training.commands.data.simulate import simulate
from training.commands.data.variants import variants
from training.commands.fit.anatomy import anatomy
from training.commands.fit.autoencoder import autoencoder
from training.commands.fit.brain_extraction import brain_extraction
from training.commands.fit.landmarks import landmarks
from training.commands.fit.locator import locator
from training.commands.fit.segmentation import segmentation
from training.commands.renamed import EXPORT_RUNS, RenamingCommand, RenamingGroup

UNUSABLE = 2
Commands = dict[str, Callable[..., None]]

DATA: Commands = {
    "simulate": simulate,
    "individuals": individuals,
    "variants": variants,
    "heads": heads,
    "degrade": degrade,
    "picture": picture,
}
FIT: Commands = {
    "segmentation": segmentation,
    "locator": locator,
    "brain-extraction": brain_extraction,
    "landmarks": landmarks,
    "autoencoder": autoencoder,
    "anatomy": anatomy,
}
ASSESS: Commands = {
    "validate": validate,
    "robustness": robustness,
    "bench": bench,
    "degraded": degraded,
    "topology": topology,
    "biometry": biometry,
    "calibrate": calibrate,
    "confidence": confidence,
    "landmarks": assess_landmarks,
    "experts": experts,
    "percentiles": percentiles,
    "further-lengths": further_lengths,
    "anatomy": assess_anatomy,
    "appearance": appearance,
    "age-line": age_line,
    "age-from-image": age_from_image,
    "ga-baseline": ga_baseline,
}
#: Networks of which a folder of weights holds one: the command, the entry of model.yaml, what the help says.
EXPORT = {
    "locator": ("locator", "Export the locator."),
    "brain-extraction": ("extraction", "Export the brain extraction network."),
    "landmarks": ("landmarks", "Export the landmark network."),
    "autoencoder": ("autoencoder", "Export the autoencoder."),
}


def _group(about: str, commands: Commands) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, help=about)
    for name, command in commands.items():
        group.command(name, cls=RenamingCommand)(command)
    return group


def _exports() -> typer.Typer:
    group = _group("Write averaged weights of runs into a folder of weights.", {"segmentation": export.segmentation})
    for name, (network, about) in EXPORT.items():
        group.command(name, help=about)(export.single_network(network))
    group.command(EXPORT_RUNS[1], hidden=True)(export.runs)
    return group


app = typer.Typer(
    cls=RenamingGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Simulate cohorts and train the submission's networks.",
    epilog="Exit status: 0 all fine, 2 unusable call or input.",
)
app.add_typer(_group("Make labelled volumes to train on, and cohorts to try a submission with.", DATA), name="data")
app.add_typer(_group("Train a network in the folder of its run.", FIT), name="fit")
app.add_typer(_exports(), name="export")
app.add_typer(_group("Measure weights and data, and fit what depends on the weights.", ASSESS), name="assess")


def _show_warning(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
    """An old name in a settings file is one line, said by the first of several processes; other warnings as usual."""
    if category is not FutureWarning:
        _SHOW(message, category, *where, **more)  # type: ignore[arg-type]
    elif os.environ.get("RANK", "0") == "0":
        print(f"feta-train: {message}", file=sys.stderr)


_SHOW = warnings.showwarning


def main() -> None:
    """Run the command line; a message for the user goes to stderr in one line."""
    keep_freed_memory()
    end_quickly()
    heed_quota()
    sleep_while_waiting()
    warnings.showwarning = _show_warning
    try:
        with following_links():
            app()
    except FetaError as error:
        print(f"feta-train: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)


if __name__ == "__main__":
    main()
