"""``feta-train assess validate``, ``robustness``, ``bench``, ``degraded``, ``topology``: what weights are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.common import CONFIGS, CORES, VALIDATION, Atlases, Config, Subjects, Threads, Weights

WEIGHTS = Path("weights")
Table = Annotated[Path, typer.Argument(help="CSV to write: condition, subject, label, metric, value.")]


def validate(
    atlases: Atlases, output: Table, weights: Weights = WEIGHTS, threads: Threads = CORES, subjects: Subjects = None
) -> None:
    """Measure weights on volumes as they are, and on rotated, noisy and biased ones."""
    import torch

    from training.assessment.validation import CONDITIONS, measure_validation

    torch.set_num_threads(threads)
    for line in measure_validation(atlases, weights, subjects or VALIDATION, CONDITIONS, output):
        print(line, flush=True)


def robustness(
    atlases: Atlases,
    output: Table,
    weights: Weights = WEIGHTS,
    threads: Threads = CORES,
    only: Annotated[
        list[str] | None, typer.Option(help="One condition, such as 'tight mask'; may be repeated.")
    ] = None,
    subjects: Subjects = None,
    tta: Annotated[bool, typer.Option("--tta", help="With test-time augmentation.")] = False,
) -> None:
    """Measure weights under rotation, other spacings, noise, bias, motion, without a mask, under a tight one."""
    import torch

    from training.assessment.validation import measure_robustness

    torch.set_num_threads(threads)
    for line in measure_robustness(atlases, weights, subjects or VALIDATION, output, only or (), tta=tta):
        print(line, flush=True)


def bench(
    data: Annotated[Path, typer.Argument(help="Folder that the parts' names begin from.")],
    output: Annotated[Path, typer.Argument(help="Folder for bench.csv and bench.md; what it knows is not done again.")],
    weights: Weights = WEIGHTS,
    threads: Threads = CORES,
    config: Config = CONFIGS / "bench.yaml",
) -> None:
    """Say where weights stand: validation, an unseen atlas, robustness, cohorts; means, tenth percentiles, worst."""
    import torch

    from training.assessment.bench import run_bench

    torch.set_num_threads(threads)
    for line in run_bench(config, data, weights, output):
        print(line, flush=True)


def degraded(
    volume: Annotated[Path, typer.Argument(help="A real T2w volume; it needs no label map.")],
    output: Annotated[Path, typer.Argument(help="Markdown table to write.")],
    weights: Weights = WEIGHTS,
    threads: Threads = CORES,
) -> None:
    """Blur, thicken, shade, cut a real volume and add noise: how far volumes and lengths move, and the topology."""
    import torch

    from training.assessment.degraded import measure_degraded

    torch.set_num_threads(threads)
    for line in measure_degraded(volume, weights, output):
        print(line, flush=True)


def topology(
    atlases: Atlases,
    output: Annotated[Path, typer.Argument(help="CSV to write: step, subject, label, metric, value.")],
    weights: Weights = WEIGHTS,
    threads: Threads = CORES,
    subjects: Subjects = None,
) -> None:
    """Measure what each step towards the right topology gains and costs."""
    import torch

    from training.assessment.topology_report import measure_topology

    torch.set_num_threads(threads)
    for line in measure_topology(atlases, weights, subjects or VALIDATION, output):
        print(line, flush=True)
