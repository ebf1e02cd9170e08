"""The commands that look at lengths: landmarks of labelled volumes, the line in gestational age, the calibration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feta.errors import FetaError

if TYPE_CHECKING:
    from inference.biometry.calibration import Calibration
    from training.assessment.evidence import CaseEvidence


def landmarks(
    atlases: Annotated[
        Path, typer.Argument(help="Labelled BIDS folder, with masks of the corpus callosum or without.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder for landmarks.csv, biometry.tsv and a picture of each volume.")],
) -> None:
    """Find the ten landmarks of labelled volumes, and hold the lengths against published curves."""
    from training.assessment.atlas_landmarks import landmark_table

    if not atlases.is_dir():
        raise FetaError(atlases, "is not a folder", "name a labelled BIDS folder of T2w volumes")
    for line in landmark_table(atlases, out):
        typer.echo(line)


def ga_baseline(
    biometry: Annotated[Path, typer.Argument(help="Table of lengths: biometry.tsv of any data set in FeTA's layout.")],
    out: Annotated[Path, typer.Argument(help="JSON for feta-evaluate --ga-baseline and feta-infer --ga-baseline.")],
    participants: Annotated[
        Path | None, typer.Option(help="Table of ages.", show_default="participants.tsv beside it or above")
    ] = None,
) -> None:
    """Fit the challenge's reference, a straight line in gestational age; where a length is unknown, the published."""
    import numpy as np

    from feta.age_model import fit_age_model, write_age_model
    from feta.biometry_table import read_length_table
    from feta.measurements import MEASUREMENTS
    from feta.participants import read_participants

    lengths, warnings = read_length_table(biometry)
    people = read_participants(participants or _ages_of(biometry))
    ages = [person.age if (person := people.get(name.split("_")[0])) else None for name in lengths]
    for warning in warnings:
        typer.echo(warning, err=True)
    weeks = np.array([np.nan if age is None else age for age in ages], np.float64)
    model, fitted = fit_age_model(weeks, list(lengths.values()))
    if not fitted:
        raise FetaError(biometry, "has too few lengths with an age for any line", "give three cases, a week apart")
    write_age_model(out, model)
    for measurement in MEASUREMENTS:
        source = "fitted" if measurement in fitted else "published"
        typer.echo(
            f"{measurement:>5}: {model.intercept[measurement]:.3f} + {model.slope[measurement]:.4f}·weeks, {source}"
        )
    typer.echo(f"{np.isfinite(weeks).sum()} of {len(weeks)} rows have an age")


def _ages_of(biometry: Path) -> Path:
    """participants.tsv beside a table of lengths, or above it: data sets keep lengths in derivatives/biometry."""
    folders = biometry.resolve().parents[:3]
    found = next((folder / "participants.tsv" for folder in folders if (folder / "participants.tsv").exists()), None)
    if found is None:
        raise FetaError(biometry, "has no participants.tsv beside or above it", "name it: --participants TABLE")
    return found


Cohorts = Annotated[list[Path], typer.Argument(help="Folders of cohorts whose lengths are known, simulated or not.")]
Weights = Annotated[Path | None, typer.Option(help="Folder of weights with model.yaml.", show_default="FETA_WEIGHTS")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a core")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again on the label maps that are kept.")]


def biometry_fit(
    cohorts: Cohorts,
    out: Annotated[Path, typer.Option(help="The calibration, biometry.json of a folder of weights.")],
    weights: Weights = None,
    jobs: Jobs = None,
    fresh: Fresh = False,
) -> None:
    """Learn how far each way of measuring is off, and lengths from volumes, on cohorts whose lengths are known."""
    from inference.biometry.calibration import write_calibration
    from training.assessment.calibration_fit import fit_calibration

    calibration = fit_calibration(_seen(cohorts, weights, jobs, fresh))
    write_calibration(out, calibration)
    for line in _errors_in_words(calibration):
        typer.echo(line)
    typer.echo(f"{calibration.cases} cases; wrote {out}")


def biometry_report(
    cohorts: Cohorts,
    out: Annotated[Path, typer.Option(help="CSV with a row a length and way of measuring.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Folder that holds biometry.json.", show_default="the folder of weights")
    ] = None,
    weights: Weights = None,
    jobs: Jobs = None,
    fresh: Fresh = False,
) -> None:
    """Hold every way of measuring against the truth and against a straight line in age."""
    from inference.biometry.calibration import NAME, read_calibration
    from inference.runs.settings import default_weights
    from training.assessment.biometry_report import age_lines, report
    from training.scanner.cohort_settings import COHORT, read_cohort_settings

    if calibration is not None and not (calibration / NAME).is_file():
        raise FetaError(calibration, f"holds no {NAME}", "name the folder that feta-train biometry-fit wrote it into")
    fitted = read_calibration(calibration or weights or default_weights())
    lines = age_lines(read_cohort_settings(COHORT).individuals)
    for line in report(_seen(cohorts, weights, jobs, fresh), fitted, lines, out):
        typer.echo(line)


def _seen(cohorts: list[Path], weights: Path | None, jobs: int | None, fresh: bool) -> list[CaseEvidence]:
    """Every case of some cohorts, with progress."""
    from inference.runs.settings import default_weights
    from training.assessment.evidence import cohort_cases, see

    count = sum(len(cohort_cases(cohort)) for cohort in cohorts)
    cases = []
    workers = jobs or len(os.sched_getaffinity(0))
    for done, (case, new) in enumerate(see(cohorts, weights or default_weights(), jobs=workers, fresh=fresh), start=1):
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
