"""What each step towards the right topology gains and costs: network, autoencoder, largest component, construction."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from evaluation.scoring.score_table import SEGMENTATION_METRICS
from feta.labels import TISSUES
from feta.tables import create_csv
from feta.volumes import Volume, read_label_map, read_volume
from inference.geometry.native_grid import Prediction
from inference.geometry.orientation import CanonicalVolume
from inference.networks.device import choose
from inference.networks.weights import read_model
from inference.segmentation.autoencoder import Autoencoder
from inference.segmentation.pose_search import PoseFinder
from inference.segmentation.postprocessing import constructed, keep_largest_component
from inference.segmentation.predictor import UprightPredictor, in_native_space
from inference.topology.correction import warm_up
from training.assessment.validation import labelled, scores, sites

#: Metrics of the table, and their headings.
COLUMNS = {"dice": "Dice", "hd95": "HD95 mm", "ed": "ED", "b0": "Δb0", "b1": "Δb1", "b2": "Δb2"}


@dataclass(frozen=True)
class Step:
    """A label map after some of the steps.

    Attributes:
        name: which steps.
        labels: uint8, on the volume's grid.
        seconds: of all steps up to here.
    """

    name: str
    labels: Volume
    seconds: float


def measure_topology(root: Path, weights: Path, subjects: Sequence[str] | str, path: Path) -> Iterator[str]:
    """Segment and score after each step; writes one CSV row a figure and yields lines, a Markdown table last.

    Args:
        root: labelled BIDS folder.
        weights: folder with ``model.yaml``; without an autoencoder in it, there are no steps with one.
        subjects: which to measure (``sub-crl24``), or what their names fit (``*``).
        path: of the CSV: step, subject, label, metric, value.

    Raises:
        FetaError: a subject is missing, or weights or CSV can't be used.
    """
    files = labelled(root, subjects)
    model = read_model(weights)  # a mistyped folder empties no earlier table
    found: dict[str, list[npt.NDArray[np.float64]]] = {}
    seconds: dict[str, list[float]] = {}
    with create_csv(path) as stream:
        warm_up()  # the first case's seconds are not the compiler's
        compute = choose()
        predictor = UprightPredictor.of(model, compute)
        find_pose = PoseFinder.of(model, predictor.networks[0], compute)
        autoencoder = None if model.autoencoder is None else Autoencoder.of(model, compute)
        writer = csv.writer(stream)
        writer.writerow(["step", "subject", "label", "metric", "value"])
        for subject, (image, labels) in files.items():
            truth = read_label_map(labels)
            for step in steps(find_pose, predictor, autoencoder, read_volume(image)):
                values = scores(truth, step.labels)
                found.setdefault(step.name, []).append(values)
                seconds.setdefault(step.name, []).append(step.seconds)
                writer.writerows(_rows(step, subject, values))
                yield f"{subject}, {step.name}: mean Dice {values[:, 0].mean():.4f}, {step.seconds:.1f} s"
            stream.flush()
    yield from _table(found, seconds)
    for name, each in found.items():
        yield from (f"{name}: {line}" for line in sites(root, list(files), each))


def steps(
    find_pose: PoseFinder, predictor: UprightPredictor, autoencoder: Autoencoder | None, volume: Volume
) -> list[Step]:
    """A volume's label map after each step, first without the autoencoder, then with it."""
    began = time.monotonic()
    canonical = CanonicalVolume.of(volume)
    pose = find_pose(canonical)
    probabilities, to_box = predictor.predict_upright(canonical.volume, pose)
    spent = time.monotonic() - began

    def finished(name: str, probabilities: Tensor) -> list[Step]:
        began = time.monotonic() - spent
        prediction = in_native_space(probabilities, to_box, canonical, pose, scores=True)
        return _postprocessed(name, began, prediction, volume)

    done = finished("network", probabilities)
    if autoencoder is not None:
        began = time.monotonic()
        corrected = autoencoder(probabilities)
        spent += time.monotonic() - began
        done += finished("network + autoencoder", corrected)
    return done


def _postprocessed(name: str, began: float, prediction: Prediction, volume: Volume) -> list[Step]:
    """The label map in native space; its largest component; the topology constructed on that."""

    def step(name: str, labels: npt.NDArray[np.uint8]) -> Step:
        seconds = time.monotonic() - began
        return Step(name, Volume(prediction.order.undo(labels), volume.grid), seconds)

    native = prediction.native
    done = [step(name, native.labels)]
    labels = keep_largest_component(native.labels)
    done.append(step(f"{name} + largest component", labels))
    whole = labels.copy()
    whole[native.part] = constructed(native, labels[native.part], prediction.to_canonical)
    return [*done, step(f"{name} + largest component + construction", whole)]


def _rows(step: Step, subject: str, values: npt.NDArray[np.float64]) -> Iterator[list[str]]:
    for tissue, line in zip(TISSUES, values, strict=True):
        for metric, value in zip(SEGMENTATION_METRICS, line, strict=True):
            yield [step.name, subject, tissue.name, metric, f"{value:.4f}"]
    yield [step.name, subject, "", "seconds", f"{step.seconds:.2f}"]


def _table(found: dict[str, list[npt.NDArray[np.float64]]], seconds: dict[str, list[float]]) -> Iterator[str]:
    """Means over subjects and tissues, as Markdown."""
    count = len(next(iter(found.values())))
    yield f"\nmean over {count} subjects and all tissues; of Betti numbers, the absolute difference from the table's\n"
    yield "| steps | " + " | ".join(COLUMNS.values()) + " | their sum | seconds |"
    yield "|---|" + "---|" * (len(COLUMNS) + 2)
    at = [SEGMENTATION_METRICS.index(name) for name in COLUMNS]
    for name, values in found.items():
        means = np.mean(values, axis=(0, 1))[at]
        cells = [f"{v:.4f}" if i == 0 else f"{v:.2f}" for i, v in enumerate([*means, means[3:].sum()])]
        yield f"| {name} | " + " | ".join([*cells, f"{np.mean(seconds[name]):.1f}"]) + " |"
