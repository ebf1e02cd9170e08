"""Predicted lengths of atlases against those between the ends that experts set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.age_model import published_model
from feta.measurements import MEASUREMENTS, Measurement
from feta.participants import subject_key
from feta.volumes import read_volume
from inference.biometry.calibration import Calibration, LengthSource, read_calibration
from inference.biometry.landmark_network import LandmarkNetwork
from inference.biometry.lengths import Method, complete
from inference.biometry.line import Line
from inference.biometry.measure import collect_evidence
from inference.biometry.midline_alignment import align_to_midline
from inference.networks.device import choose
from inference.networks.weights import read_model
from inference.segmentation.segmenter import Segmenter, load_segmenter
from training.assessment.biometry_report import NO_AGE
from training.assessment.validation import labelled, table_of_subjects
from training.data.expert_points import read_points

Array = npt.NDArray[np.float64]
#: Ways of measuring, in the table's order.
WAYS = (str(Method.HEATMAP), str(Method.GEOMETRY), NO_AGE, str(Method.FUSION))


@dataclass(frozen=True)
class Measured:
    """One volume, measured.

    Attributes:
        lengths: (4, 5) mm by way of measuring and length, NaN where there is none.
        apart: (2, 5) mm from the experts' ends to those of the heatmaps and of the label map's geometry, their mean.
        experts: (5,) mm, NaN where they measured none.
    """

    lengths: Array
    apart: Array
    experts: Array

    def off(self) -> Array:
        """(4, 5): how far lengths are off from the experts', percent."""
        return np.asarray(100 * (self.lengths / self.experts - 1))


def against_experts(atlases: Path, points: Path, weights: Path, unseen: tuple[str, ...]) -> Iterator[str]:
    """Measure every volume on which experts set points, and hold it against them; yields lines for people.

    Args:
        atlases: labelled BIDS folder, its ages in ``participants.tsv``.
        points: the experts' table.
        weights: folder with ``model.yaml``.
        unseen: subjects that no network has learned from; the others are told apart.

    Raises:
        FetaError: a table, a volume or the weights can't be used.
    """
    experts = read_points(points)
    files = labelled(atlases, sorted(experts))
    ages = {name: person.age for name, person in table_of_subjects(atlases).items()}
    model, compute = read_model(weights), choose()
    networks = load_segmenter(model, compute), LandmarkNetwork.of(model, compute)
    calibration = read_calibration(weights)
    new = [subject for subject in files if subject in unseen]
    for said, group in (
        (f"that no network has seen ({', '.join(new)})", new),
        ("seen in training", [subject for subject in files if subject not in unseen]),
    ):
        found = []
        for subject in group:
            age = ages.get(subject_key(subject))
            found.append(measure_volume(networks, calibration, files[subject][0], age, experts[subject]))
            yield one_line(subject, found[-1])
        if group:
            yield from summary(said, found)


def measure_volume(
    networks: tuple[Segmenter, LandmarkNetwork | None],
    calibration: Calibration,
    image: Path,
    age: float | None,
    experts: Mapping[Measurement, Line],
) -> Measured:
    """Measure one volume in every way, and hold the ends of its lengths against the experts'."""
    segment, find_landmarks = networks
    volume = read_volume(image)
    segmented = segment(volume)
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    evidence = collect_evidence(volume, segmented, aligned, find_landmarks)
    lengths = np.full((len(WAYS), len(MEASUREMENTS)), np.nan)
    for row, way in zip(lengths, WAYS, strict=True):
        known, method = (None, Method.FUSION) if way == NO_AGE else (age, Method(way))
        made = complete(evidence, known, published_model(), calibration, method)[0]
        row[:] = [np.nan if made[m].value is None else made[m].value for m in MEASUREMENTS]
    sources = (LengthSource.HEATMAP, LengthSource.GEOMETRY)
    ends = [[ends_apart(evidence.line(m, s), experts.get(m)) for m in MEASUREMENTS] for s in sources]
    set_by = [experts[m].length if m in experts else np.nan for m in MEASUREMENTS]
    return Measured(lengths, np.array(ends), np.array(set_by))


def one_line(subject: str, found: Measured) -> str:
    """What the fusion without the age says of one volume, beside the experts."""
    ours, off = found.lengths[WAYS.index(NO_AGE)], found.off()[WAYS.index(NO_AGE)]
    each = (
        f"{m} {mm:.1f} mm ({expert:.1f}, {percent:+.1f} %)"
        for m, mm, expert, percent in zip(MEASUREMENTS, ours, found.experts, off, strict=True)
        if np.isfinite(expert)
    )
    return f"{subject}: " + ", ".join(each)


def summary(said: str, found: list[Measured]) -> Iterator[str]:
    """How far lengths of some volumes are off, and their ends, as Markdown; a length not found counts as 100 % off.

    Args:
        said: of these volumes.
        found: at least one.
    """
    shown = [i for i, _ in enumerate(MEASUREMENTS) if any(np.isfinite(each.experts[i]) for each in found)]
    names = " | ".join(MEASUREMENTS[i] for i in shown)
    off = np.abs(np.array([each.off() for each in found]))
    missing = np.isnan(off) & np.isfinite([each.experts for each in found])[:, None]
    off = np.where(missing, 100.0, off)[:, :, shown]
    yield f"\n{len(found)} volumes {said}: off from the experts' lengths by, %, mean of the absolute and the largest\n"
    yield f"| | {names} | all |\n|---" + "|---" * (len(shown) + 1) + "|"
    for way, values in zip(WAYS, off.swapaxes(0, 1), strict=True):
        cells = [f"{np.nanmean(column):.1f}, {np.nanmax(column):.1f}" for column in (*values.T, values)]
        yield f"| {way} | " + " | ".join(cells) + " |"
    yield "\nmm from the experts' ends to ours, mean\n"
    yield f"| | {names} |\n|---" + "|---" * len(shown) + "|"
    for way, apart in zip(WAYS, np.array([each.apart for each in found]).swapaxes(0, 1), strict=False):
        yield f"| {way} | " + " | ".join(f"{np.nanmean(apart[:, i]):.1f}" for i in shown) + " |"


def ends_apart(ours: Line | None, theirs: Line | None) -> float:
    """Mean distance (mm) between the ends of two lines, paired as they fit best; NaN where there is none."""
    if ours is None or theirs is None:
        return float("nan")
    mine = np.array([ours.start, ours.end])
    other = np.array([theirs.start, theirs.end])
    return float(min(np.linalg.norm(mine - pairing, axis=1).mean() for pairing in (other, other[::-1])))
