"""``feta-train assess calibrate``: all that depends on a folder of weights, fitted anew in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from training.commands.assess.biometry import Fresh, Weights, calibrate_lengths
from training.commands.assess.confidence import confidence
from training.commands.assess.further_lengths import fit_further_lengths
from training.commands.common import Jobs, require_folder

Cohorts = Annotated[
    list[Path], typer.Argument(help="Simulated cohorts; labelled folders without lengths serve the verdict alone.")
]
Out = Annotated[
    Path, typer.Option(help="The folder of weights; or a .json to write: the calibration of the five lengths alone.")
]


def calibrate(cohorts: Cohorts, out: Out, weights: Weights = None, jobs: Jobs = None, fresh: Fresh = False) -> None:
    """Fit all that depends on weights: errors of the five lengths and of further ones, and what verdicts rest on."""
    from inference.runs.settings import default_weights

    if out.suffix == ".json":
        calibrate_lengths(cohorts, weights or default_weights(), out, jobs, fresh)
        return
    if weights is not None and weights.resolve() != out.resolve():
        raise FetaError("--weights", f"names other networks than those of --out {out}", "leave it out")
    _calibrate_all(cohorts, out, jobs, fresh)


def _calibrate_all(cohorts: list[Path], weights: Path, jobs: int | None, fresh: bool) -> None:
    """Each after what it rests on: verdicts rest on calibrated lengths, further lengths on the label maps of these."""
    from inference.biometry.calibration import NAME as CALIBRATION
    from inference.biometry.calibration import networks_digest
    from inference.confidence.quality_file import NAME as QUALITY
    from inference.morphometry.length_errors import NAME as LENGTH_ERRORS
    from training.assessment.evidence import kept_label_maps, true_lengths, truth_of
    from training.assessment.further_length_errors import cohort_errors
    from training.assessment.validation import labelled

    measured = []
    for cohort in cohorts:
        labelled(require_folder(cohort), "*")  # a folder without label maps is refused before hours of work
        lengths, warnings = true_lengths(cohort)
        if lengths:
            measured.append(cohort)
        else:
            typer.echo(f"for the verdict alone: {warnings[0]}", err=True)
    typer.echo("== 1 of 3 · the five lengths")
    calibrate_lengths(measured or cohorts, weights, weights / CALIBRATION, jobs, fresh)
    typer.echo("\n== 2 of 3 · further lengths")
    errors = []
    for cohort in measured:
        errors += cohort_errors(truth_of(cohort), kept_label_maps(cohort, weights))
        typer.echo(f"{cohort.name}: {len(errors)} cases so far", err=True)
    fit_further_lengths(errors, networks_digest(weights), weights / LENGTH_ERRORS)
    typer.echo("\n== 3 of 3 · verdicts")
    confidence(cohorts, fit=weights / QUALITY, weights=weights)
