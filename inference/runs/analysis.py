"""What a volume tells: label map, lengths, sizes. Nothing is written here: files and calls from Python share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from feta.grid import Matrix
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length, Measuring, complete
from inference.biometry.measure import LandmarkFinder, collect_evidence
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.geometry.segmentation_result import Segmentation
from inference.morphometry.label_check import doubt_size
from inference.morphometry.measured import Measured
from inference.morphometry.sizes import measure_sizes
from inference.runs.models import Models
from inference.runs.plausibility import check_usable


@dataclass(frozen=True)
class Measures:
    """What was measured on a label map.

    Attributes:
        lengths: the five.
        sizes: all volumes and lengths; empty where they weren't asked for.
        warnings: one line each.
    """

    lengths: dict[Measurement, Length]
    sizes: tuple[Measured, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Analysed:
    """All that a volume tells.

    Attributes:
        segmented: its label map.
        aligned: the same, upright; None where it is empty.
        measures: what was measured on it.
        warnings: of all steps, one line each.
    """

    segmented: Segmentation
    aligned: AlignedLabels | None
    measures: Measures
    warnings: tuple[str, ...]


def analyse(source: Path, volume: Volume, models: Models, measuring: Measuring, age: float | None) -> Analysed:
    """Segment a volume and measure all that is measured.

    Args:
        source: its file, or what messages call it.
        volume: float32 (z, y, x).
        models: the loaded networks.
        measuring: how lengths are found.
        age: weeks; None where unknown.

    Raises:
        FetaError: the volume can't be used.
    """
    segmented, warnings = segment_volume(source, volume, models)
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    measures = measure_labels(volume, segmented, aligned, models.find_landmarks, measuring, age)
    return Analysed(segmented, aligned, measures, (*warnings, *measures.warnings))


def segment_volume(source: Path, volume: Volume, models: Models) -> tuple[Segmentation, tuple[str, ...]]:
    """The label map of a volume, and warnings, one line each; arguments and errors as of ``analyse``."""
    doubts = check_usable(source, volume)
    segmented = models.segment(volume)
    warnings = (*volume.warnings, *doubts, *doubt_size(source, segmented.labels), *segmented.warnings)
    if not segmented.labels.array.any():
        warnings = (*warnings, "no brain was found: the label map is empty")
    return segmented, warnings


def measure_labels(
    volume: Volume,
    segmented: Segmentation,
    aligned: AlignedLabels | None,
    find_landmarks: LandmarkFinder | None,
    measuring: Measuring,
    age: float | None,
    *,
    sized: bool = True,
    ours: bool = True,
) -> Measures:
    """Measure a label map.

    Args:
        volume: the image, float32 (z, y, x).
        segmented: its label map and frame.
        aligned: the same, upright; None where the map is empty or nobody knows how the brain lies.
        find_landmarks: the landmark network; None where there is none.
        measuring: how lengths are found.
        age: weeks; None where unknown.
        sized: whether also volumes and further lengths.
        ours: whether our networks drew the labels.
    """
    evidence = collect_evidence(volume, segmented, aligned, find_landmarks)
    lengths, notes = complete(evidence, age, measuring.model, measuring.calibration, measuring.method)
    if not sized:
        return Measures(lengths, (), notes)
    sizes, said = measure_sizes(segmented.labels, aligned, lengths, age, ours=ours)
    return Measures(lengths, sizes, (*notes, *said))


def upright_frame(segmented: Segmentation, aligned: AlignedLabels | None) -> Matrix:
    """4×4 from physical LPS mm to the upright brain: by the label map, which knows better than the pose found first."""
    return aligned.from_physical if aligned else segmented.to_canonical
