"""``feta-train assess landmarks`` and ``biometry``: lengths against their truth; and their calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feta.errors import FetaError
from feta.machine import usable_cores
from training.commands.common import Jobs, require_folder

if TYPE_CHECKING:
    from inference.biometry.calibration import Calibration
    from training.assessment.evidence import CaseEvidence

Cohorts = Annotated[list[Path], typer.Argument(help="Folders of cohorts whose lengths are known, simulated or not.")]
Weights = Annotated[Path | None, typer.Option(help="Folder of weights with model.yaml.", show_default="FETA_WEIGHTS")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again on the label maps that are kept.")]


def landmarks(
    atlases: Annotated[
        Path, typer.Argument(help="Labelled BIDS folder, with masks of the corpus callosum or without.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder for landmarks.csv, biometry.tsv and a picture of each volume.")],
) -> None:
    """Find the ten landmarks of labelled volumes, and compare the lengths with published curves."""
    from training.assessment.atlas_landmarks import landmark_table

    for line in landmark_table(require_folder(atlases), out):
        typer.echo(line)


def calibrate_lengths(cohorts: list[Path], weights: Path, out: Path, jobs: int | None, fresh: bool) -> None:
    """Fit how far lengths are off with these weights: errors of each way of measuring, and lengths from volumes.

    Args:
        cohorts: whose lengths are known.
        weights: folder with ``model.yaml``.
        out: the calibration to write, ``biometry.json``.
        jobs: processes; None for one a core.
        fresh: measure again on the label maps that are kept.

    Raises:
        FetaError: cohorts or weights can't be used, or there are too few cases.
    """
    from inference.biometry.calibration import networks_digest, write_calibration
    from training.assessment.calibration_fit import fit_calibration

    fitted = fit_calibration(_evidence(cohorts, weights, jobs, fresh))
    calibration = replace(fitted, weights=networks_digest(weights))
    write_calibration(out, calibration)
    for line in _errors_in_words(calibration):
        typer.echo(line)
    typer.echo(f"{calibration.cases} cases; wrote {out}")


def biometry(
    cohorts: Cohorts,
    out: Annotated[Path, typer.Option(help="CSV with a row a length and way of measuring.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Folder that holds biometry.json.", show_default="the folder of weights")
    ] = None,
    weights: Weights = None,
    jobs: Jobs = None,
    fresh: Fresh = False,
) -> None:
    """Compare every way of measuring with the truth and with a straight line in age."""
    from inference.biometry.calibration import NAME, read_calibration
    from inference.runs.settings import default_weights
    from training.assessment.age_lines import age_lines
    from training.assessment.biometry_report import write_report
    from training.scanner.cohort_settings import COHORT, read_cohort_settings

    if calibration is not None and not (calibration / NAME).is_file():
        raise FetaError(calibration, f"holds no {NAME}", "name the folder that `assess calibrate` wrote it into")
    folder = weights or default_weights()
    fitted = read_calibration(calibration or folder)
    lines = age_lines(read_cohort_settings(COHORT).individuals)
    for line in write_report(_evidence(cohorts, folder, jobs, fresh), fitted, lines, out):
        typer.echo(line)


def _evidence(cohorts: list[Path], weights: Path, jobs: int | None, fresh: bool) -> list[CaseEvidence]:
    """Every case of some cohorts, with progress."""
    from training.assessment.evidence import cohort_cases, cohort_evidence

    count = sum(len(cohort_cases(cohort)) for cohort in cohorts)
    cases = []
    workers = jobs or usable_cores()
    found = cohort_evidence(cohorts, weights, jobs=workers, fresh=fresh)
    for done, (case, new) in enumerate(found, start=1):
        typer.echo(f"[{done}/{count}] {case.name}: {'measured' if new else 'was there'}", err=True)
        cases.append(case)
    return cases


def _errors_in_words(calibration: Calibration) -> Iterator[str]:
    from feta.measurements import MEASUREMENTS
    from inference.biometry.calibration import SOURCES

    for row, measurement in enumerate(MEASUREMENTS):
        parts = (
            f"{source} {100 * calibration.bias[row, k]:+.1f} ± {100 * calibration.sd[row, k]:.1f} %"
            for k, source in enumerate(SOURCES)
        )
        yield f"{measurement:>5}: " + ", ".join(parts)
