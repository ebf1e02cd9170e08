"""``feta-train assess ga-baseline`` and ``age-line``: lengths from the gestational age alone, by a straight line.

The challenge's reference for biometry is such a line: 9.56 % mean absolute percentage error (MAPE) in 2024. A
simulated cohort in which it does much better is too regular, one in which it does much worse is not like life.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError
from feta.files import is_there


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
    from feta.bids import subject_in
    from feta.biometry_table import read_length_table
    from feta.measurements import MEASUREMENTS
    from feta.participants import read_participants

    lengths, warnings = read_length_table(biometry)
    people = read_participants(participants or _ages_of(biometry))
    ages = [person.age if (person := people.get(subject_in(name))) else None for name in lengths]
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
    folders = biometry.absolute().parents[:3]
    found = next((folder / "participants.tsv" for folder in folders if is_there(folder / "participants.tsv")), None)
    if found is None:
        raise FetaError(biometry, "has no participants.tsv beside or above it", "name it: --participants TABLE")
    return found


def age_line(
    seed: Annotated[int, typer.Option(min=0, help="Of the fetuses that the lines are fitted on.")] = 1,
    other: Annotated[int, typer.Option(min=0, help="Of those that they are scored on.")] = 2,
    count: Annotated[int, typer.Option(min=10, help="Fetuses in each draw.")] = 200,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML).")] = None,
) -> None:
    """Fit a straight line in age to the lengths of simulated fetuses, and score it on others; no image is made."""
    from feta.measurements import MEASUREMENTS
    from training.assessment.age_lines import draw_table, score_line
    from training.scanner.cohort_settings import COHORT, read_cohort_settings

    settings = read_cohort_settings(config or COHORT).individuals
    errors = score_line(draw_table(seed, count, settings), draw_table(other, count, settings))
    for measurement, error in zip(MEASUREMENTS, errors.mean(axis=0), strict=True):
        typer.echo(f"{measurement:>5} {error:6.2f} %")
    typer.echo(f"  all {errors.mean():6.2f} %  (pooled MAPE)")
