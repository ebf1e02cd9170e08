"""``feta-train age-line``: how far a straight line in age comes on simulated fetuses, without their images.

The challenge's reference for biometry is such a line: 9.56 % mean absolute percentage error (MAPE) in 2024. A
cohort in which it does much better is too regular, one in which it does much worse is not like life.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from feta.measurements import MEASUREMENTS
from training.assessment.biometry_report import draw_table, score_line


def age_line(
    seed: Annotated[int, typer.Option(min=0, help="Of the draw that the lines are fitted on.")] = 1,
    other: Annotated[int, typer.Option(min=0, help="Of the draw that they are scored on.")] = 2,
    count: Annotated[int, typer.Option(min=10, help="Fetuses in each draw.")] = 200,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML).")] = None,
) -> None:
    """Fit a straight line in age on one draw of lengths, and score it on another."""
    from training.scanner.cohort_settings import COHORT, read_cohort_settings

    settings = read_cohort_settings(config or COHORT).individuals
    errors = score_line(draw_table(seed, count, settings), draw_table(other, count, settings))
    for measurement, error in zip(MEASUREMENTS, errors.mean(axis=0), strict=True):
        typer.echo(f"{measurement:>5} {error:6.2f} %")
    typer.echo(f"  all {errors.mean():6.2f} %  (pooled MAPE)")
