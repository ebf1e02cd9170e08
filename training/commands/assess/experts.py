"""``feta-train assess experts`` and ``percentiles``: lengths against what experts measured, curves against a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.assess.networks import WEIGHTS
from training.commands.common import CORES, VALIDATION, Atlases, Threads, Weights


def experts(
    atlases: Atlases,
    points: Annotated[
        Path,
        typer.Argument(help="Ends that experts set: subject, measure, x1 y1 z1, x2 y2 z2 in RAS mm of the image."),
    ],
    weights: Weights = WEIGHTS,
    threads: Threads = CORES,
) -> None:
    """Hold predicted lengths against those between experts' points, the validation subjects apart from the others."""
    import torch

    from training.assessment.expert_lengths import against_experts

    torch.set_num_threads(threads)
    for line in against_experts(atlases, points, weights, VALIDATION):
        print(line, flush=True)


def percentiles(
    table: Annotated[Path, typer.Argument(help="Of a cohort: measure, ga_weeks, p5_mm, p50_mm, p95_mm.")],
) -> None:
    """Hold the curves by which lengths are judged against another cohort's published percentiles."""
    from training.assessment.curve_check import curves_against_percentiles

    for line in curves_against_percentiles(table):
        typer.echo(line)
