"""How good and how steady the five lengths are on labelled volumes: against their landmarks, and when they are turned.

    python -m benchmarks.lengths ATLASES [--weights weights] [--turns 3] [--subjects 'sub-crl*']

Each volume is measured as it is, with its header turned by a random rotation (the voxels stay), and with its voxels
resampled by random rotations; the truth are the landmarks of its own label map. Without --subjects, the six
validation atlases. The seconds are those on top of the segmentation.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS
from feta.participants import read_participants, subject_key
from feta.volumes import Volume, read_label_map, read_volume
from inference.biometry.calibration import Calibration, read_calibration
from inference.biometry.landmark_network import LandmarkNetwork
from inference.biometry.lengths import Method, complete
from inference.biometry.measure import collect_evidence
from inference.biometry.midline_alignment import align_to_midline
from inference.networks.device import choose
from inference.networks.weights import read_model
from inference.segmentation.segmenter import Segmenter, load_segmenter
from training.assessment.atlas_landmarks import read_landmarks
from training.assessment.biometry_report import NO_AGE
from training.assessment.robustness import random_rotation, rotated
from training.assessment.validation import labelled
from training.commands.common import VALIDATION

Array = npt.NDArray[np.float64]
WAYS = (NO_AGE, *(str(m) for m in Method))


def measured(
    networks: tuple[Segmenter, LandmarkNetwork | None], calibration: Calibration, volume: Volume, age: float | None
) -> tuple[dict[str, Array], float]:
    """The five lengths (mm, NaN where unknown) by each way of measuring, and the seconds on top of the segmentation."""
    segmenter, find_landmarks = networks
    segmented = segmenter(volume)
    began = time.monotonic()
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    evidence = collect_evidence(volume, segmented, aligned, find_landmarks)
    found = {}
    for way in WAYS:
        known, method = (None, Method.FUSION) if way == NO_AGE else (age, Method(way))
        lengths = complete(evidence, known, published_model(), calibration, method)[0]
        found[way] = np.array([lengths[m].value or np.nan for m in MEASUREMENTS])
    return found, time.monotonic() - began


def header_turned(volume: Volume, rotation: Array) -> Volume:
    """The same voxels with a header (origin and direction) that a rotation (3, 3) has turned."""
    direction = rotation @ np.reshape(volume.grid.direction, (3, 3))
    origin = tuple((rotation @ np.array(volume.grid.origin)).tolist())
    return Volume(volume.array, replace(volume.grid, origin=origin, direction=tuple(direction.ravel().tolist())))


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lengths", description=__doc__.split("\n")[0])
    parser.add_argument("atlases", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--subjects")
    asked = parser.parse_args()
    model, compute = read_model(asked.weights), choose()
    networks = load_segmenter(model, compute), LandmarkNetwork.of(model, compute)
    calibration = read_calibration(asked.weights)
    table = asked.atlases / "participants.tsv"
    people = read_participants(table) if table.exists() else {}
    errors: dict[str, list[Array]] = {way: [] for way in WAYS}
    header, turned, seconds = [], [], []
    for seed, (subject, (image, labels)) in enumerate(labelled(asked.atlases, asked.subjects or VALIDATION).items()):
        volume, truth = read_volume(image), read_label_map(labels)
        landmarks = read_landmarks(labels)[1]
        assert landmarks is not None, f"{labels}: is empty"
        lines = [landmarks.lines[m] for m in MEASUREMENTS]
        true = np.array([np.nan if line is None else line.length for line in lines])
        person = people.get(subject_key(subject))
        found, spent = measured(networks, calibration, volume, person.age if person else None)
        seconds.append(spent)
        for way, values in found.items():
            errors[way].append(100 * np.abs(values / true - 1))
        draw = np.random.default_rng(seed)
        other = measured(networks, calibration, header_turned(volume, random_rotation(draw)), None)[0][NO_AGE]
        header.append(100 * np.abs(other / found[NO_AGE] - 1))
        for _ in range(asked.turns):
            other = measured(networks, calibration, rotated((volume, truth), draw)[0], None)[0][NO_AGE]
            turned.append(100 * np.abs(other / found[NO_AGE] - 1))
        said = ", ".join(f"{m} {v:.1f} ({t:.1f})" for m, v, t in zip(MEASUREMENTS, found[NO_AGE], true, strict=True))
        print(f"{subject}: {said}; turned by up to {np.nanmax(turned[-asked.turns :]):.1f} %", flush=True)
    print(f"\nMAPE (%) of {len(seconds)} volumes against the landmarks of their own label maps")
    print("| | " + " | ".join(MEASUREMENTS) + " | all |\n|---|" + "---|" * 6)
    for way, rows in errors.items():
        cells = [*np.nanmean(rows, axis=0), np.nanmean(rows)]
        print(f"| {way} | " + " | ".join(f"{v:.2f}" for v in cells) + " |")
    print(f"\nheader turned: largest change {np.nanmax(header):.3f} %")
    low, high = np.nanpercentile(turned, [50, 95])
    print(f"voxels resampled, turned: change {low:.2f} % (median), {high:.2f} % (95th percentile)")
    usual = np.median(seconds[1:] or seconds)  # the first one's are the compiler's, too
    print(f"on top of the segmentation: {usual:.2f} s (median), {max(seconds):.2f} s (largest)")


if __name__ == "__main__":
    main()
