"""The commands that look at lengths: landmarks of labelled volumes, and the line in gestational age."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from feta.errors import FetaError


def landmarks(
    atlases: Annotated[
        Path, typer.Argument(help="Labelled BIDS folder, with masks of the corpus callosum or without.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder for landmarks.csv, biometry.tsv and a picture of each volume.")],
) -> None:
    """Find the ten landmarks of labelled volumes, and hold the lengths against published curves."""
    from training.landmarks import landmark_table

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

    from evaluation.biometry import read_length_table
    from feta.age_model import fit_age_model, write_age_model
    from feta.measurements import MEASUREMENTS
    from feta.participants import read_participants

    lengths, warnings = read_length_table(biometry)
    people = read_participants(participants or _ages_of(biometry))
    ages = [person.age if (person := people.get(name.split("_")[0])) else None for name in lengths]
    for warning in warnings:
        typer.echo(warning, err=True)
    weeks = np.array([np.nan if age is None else age for age in ages], np.float64)
    model, fitted = fit_age_model(weeks, list(lengths.values()))
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
