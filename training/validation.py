"""The validation table: the whole submission on labelled volumes, as they are and under stress.

Scores are the evaluator's own, on the grid of each condition.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.measure import measure
from evaluation.policy import default_policy, fill_topology, score_pair
from evaluation.table import SEGMENTATION_METRICS
from feta.errors import FetaError
from feta.labels import TISSUES
from feta.volumes import Volume, read_label_map, read_volume
from inference.device import choose
from inference.segmenter import Segmenter
from training.atlas import pairs
from training.stress import CONDITIONS as STRESS
from training.stress import Condition, as_is, turned

#: What ``feta-train validate`` measures.
CONDITIONS: dict[str, Condition] = {"as is": as_is, "turned, noise, bias": turned}


def measure_validation(
    root: Path, weights: Path, subjects: tuple[str, ...], conditions: dict[str, Condition], path: Path
) -> Iterator[str]:
    """Segment and score; writes one CSV row a figure and yields lines for people, with one table a condition.

    Args:
        root: labelled BIDS folder.
        weights: folder with ``model.yaml``.
        subjects: which to measure.
        conditions: by name.
        path: of the CSV.

    Raises:
        FetaError: a subject is missing, or weights or CSV can't be used.
    """
    rows = []
    for condition, subject, values in _measured(root, weights, subjects, conditions, path):
        rows.append(values)
        yield _line(condition, subject, values)
        if len(rows) == len(subjects):
            yield from _table(condition, np.stack(rows))
            rows = []


def measure_stress(
    root: Path, weights: Path, subjects: tuple[str, ...], path: Path, only: Sequence[str] = ()
) -> Iterator[str]:
    """The same under every condition of the stress suite (or only some), with one table of all at the end."""
    unknown = sorted(set(only) - set(STRESS))
    if unknown:
        raise FetaError("--only", f"'{unknown[0]}' is no condition", f"known are {', '.join(STRESS)}")
    chosen = {name: change for name, change in STRESS.items() if not only or name in only}
    rows: dict[str, list[npt.NDArray[np.float64]]] = {}
    for condition, subject, values in _measured(root, weights, subjects, chosen, path):
        rows.setdefault(condition, []).append(values)
        yield _line(condition, subject, values)
    yield f"\nmean over {len(subjects)} subjects and all tissues\n"
    yield "| condition | Dice | HD95 mm | ED |\n|---|---|---|---|"
    columns = [SEGMENTATION_METRICS.index(name) for name in ("dice", "hd95", "ed")]
    for condition, values_of in rows.items():
        means = np.mean(values_of, axis=(0, 1))[columns]
        yield f"| {condition} | " + " | ".join(f"{v:.3f}" for v in means) + " |"


def _measured(
    root: Path, weights: Path, subjects: tuple[str, ...], conditions: dict[str, Condition], path: Path
) -> Iterator[tuple[str, str, npt.NDArray[np.float64]]]:
    """Condition, subject and (7 tissues, 7 metrics) of each volume, all of one condition before the next."""
    segmenter = Segmenter(weights, choose())
    found = {name.split("_")[0]: files for name, files in pairs(root).items()}
    missing = sorted(set(subjects) - set(found))
    if missing:
        raise FetaError(root, f"holds no labelled volume of {missing[0]}", "name the folder of the validation subjects")
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["condition", "subject", "label", "metric", "value"])
        for condition, change in conditions.items():
            for seed, subject in enumerate(subjects):
                image_path, label_path = found[subject]
                pair = read_volume(image_path), read_label_map(label_path)
                image, labels = change(pair, np.random.default_rng(seed))
                values = scores(labels, segmenter(image).labels)
                for tissue, line in zip(TISSUES, values, strict=True):
                    for metric, value in zip(SEGMENTATION_METRICS, line, strict=True):
                        writer.writerow([condition, subject, tissue.name, metric, f"{value:.4f}"])
                stream.flush()
                yield condition, subject, values


def _line(condition: str, subject: str, values: npt.NDArray[np.float64]) -> str:
    return f"{condition}, {subject}: mean Dice {values[:, 0].mean():.3f}"


def scores(truth: Volume, prediction: Volume) -> npt.NDArray[np.float64]:
    """Every metric of every tissue, (7, 7), under the evaluator's own policy; ED against the table."""
    values, _ = score_pair(measure(truth, prediction), default_policy(), "table")
    fill_topology(values[None, None], default_policy())
    return values


def _table(condition: str, values: npt.NDArray[np.float64]) -> Iterator[str]:
    """Mean over subjects of each tissue's metrics, as Markdown."""
    yield f"\n{condition}, mean over {len(values)} subjects\n"
    yield "| tissue | " + " | ".join(SEGMENTATION_METRICS) + " |"
    yield "|---|" + "---|" * len(SEGMENTATION_METRICS)
    for name, line in zip([t.name for t in TISSUES], values.mean(0), strict=True):
        yield f"| {name} | " + " | ".join(f"{v:.3f}" for v in line) + " |"
    yield "| mean | " + " | ".join(f"{v:.3f}" for v in values.mean((0, 1))) + " |\n"
