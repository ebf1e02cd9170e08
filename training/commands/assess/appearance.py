"""``feta-train assess appearance``: whether simulated volumes look like real ones, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def appearance(
    cohort: Annotated[Path, typer.Argument(help="Cohort made by `feta-train data simulate`.")],
    table: Annotated[Path, typer.Argument(help="Statistics of real volumes (FetMRQC_SR's QC_IQMs.csv).")],
    details: Annotated[bool, typer.Option("--details", help="Every statistic, not only those out of range.")] = False,
) -> None:
    """Compare contrast, noise and sharpness by tissue with real volumes of the same method and field strength."""
    from training.assessment.appearance_check import compare_appearance

    for line in compare_appearance(cohort, table, details):
        typer.echo(line)
