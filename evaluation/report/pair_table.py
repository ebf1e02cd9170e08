"""One pair of label maps on the command line: every metric of every tissue."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from evaluation.choices import Euler, Format
from evaluation.metrics.measurements import PairMetrics, measure
from evaluation.scoring.penalties import fill_topology, score_pair
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.labels import TISSUE_NAMES, TISSUES
from feta.volumes import read_label_map

_LOG = logging.getLogger(__name__)
_COUNTS = ("ed", "b0", "b1", "b2")


@dataclass(frozen=True)
class Pair:
    """What was measured, and the scores that the declared policy makes of it, (7, 7)."""

    measured: PairMetrics
    scores: npt.NDArray[np.float64]
    reasons: npt.NDArray[np.str_]


def compare_files(truth: Path, prediction: Path, euler: Euler) -> Pair:
    """Measure a label map against the true one.

    Raises:
        FetaError: a file can't be read, or they lie on different grids.
    """
    true = read_label_map(truth)
    predicted = read_label_map(prediction, true.grid)
    for path, volume in ((truth, true), (prediction, predicted)):
        for warning in volume.warnings:
            _LOG.warning("%s: %s", path, warning)
    measured = measure(true, predicted)
    scores, reasons = score_pair(measured, default_policy(), euler)
    fill_topology(scores[None, None], default_policy())
    return Pair(measured, scores, reasons)


def print_pair(pair: Pair, *, format: Format) -> None:
    """Print a pair as a table, as tab-separated lines where the output isn't a terminal, or as JSON."""
    rows = [_row(pair, i) for i in range(len(TISSUES))]
    if format == "json":
        print(json.dumps({"labels": rows, "mean": _means(pair)}, indent=1))
        return
    columns = ["label", "tissue", *SEGMENTATION_METRICS, "betti", "betti_truth", "reason"]
    mean = {"label": "", "tissue": "mean", **_means(pair)}
    cells = [[_text(row.get(column, "")) for column in columns] for row in [*rows, mean]]
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(line) + "\n" for line in [columns, *cells])
        return
    table = Table()
    for column in columns:
        table.add_column(column, justify="left" if column in ("tissue", "reason") else "right")
    for line in cells:
        table.add_row(*line)
    Console().print(table)


def _row(pair: Pair, index: int) -> dict[str, Any]:
    tissue = TISSUES[index]
    scores = zip(SEGMENTATION_METRICS, pair.scores[index].tolist(), strict=True)
    return {
        "label": int(tissue),
        "tissue": TISSUE_NAMES[tissue],
        **{name: round(value) if name in _COUNTS else value for name, value in scores},
        "betti": pair.measured.betti_prediction[index].tolist(),
        "betti_truth": pair.measured.betti_truth[index].tolist(),
        "reason": next((str(r) for r in pair.reasons[index] if r), ""),
    }


def _means(pair: Pair) -> dict[str, float]:
    return dict(zip(SEGMENTATION_METRICS, pair.scores.mean(axis=0).tolist(), strict=True))


def _text(cell: object) -> str:
    """Counts without decimals, everything else with four."""
    if isinstance(cell, float):
        return f"{cell:.4f}"
    return ",".join(map(str, cell)) if isinstance(cell, list) else str(cell)
