"""``feta-train age-line``: how far a straight line in age comes on simulated fetuses, without their images.

The challenge's reference for biometry is such a line: 9.56 % mean absolute percentage error (MAPE) in 2024. A
cohort in which it does much better is too regular, one in which it does much worse is not like life.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from feta.measurements import MEASUREMENTS
from training.anatomy.plan import IndividualSettings, draw_plan

#: Ages in weeks between which fetuses are drawn, and every how many is pathological: as in a cohort.
_AGES, _PATHOLOGICAL = (20.5, 36.0), 3
Array = npt.NDArray[np.float64]


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


def draw_table(seed: int, count: int, settings: IndividualSettings) -> tuple[Array, Array]:
    """Ages (N,) in weeks and lengths (N, 5) in mm of random fetuses, a third of them pathological."""
    rng = np.random.default_rng(seed)
    ages = rng.uniform(*_AGES, count)
    rows = []
    for i, age in enumerate(ages):
        plan = draw_plan(rng, float(age), i % _PATHOLOGICAL == _PATHOLOGICAL - 1, settings)
        rows.append([plan.lengths[m] for m in MEASUREMENTS])
    return ages, np.array(rows)


def score_line(fitted: tuple[Array, Array], scored: tuple[Array, Array]) -> Array:
    """Absolute percentage errors (N, 5) on one table of the lines that fit another best."""
    ages, lengths = scored
    lines: Sequence[Array] = [np.polyfit(fitted[0], column, 1) for column in fitted[1].T]
    predicted = np.stack([np.polyval(line, ages) for line in lines], axis=1)
    return np.asarray(100 * np.abs(predicted - lengths) / lengths)
