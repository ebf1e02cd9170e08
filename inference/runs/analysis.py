"""What a volume tells: label map, lengths, sizes. Nothing is written here: files and calls from Python share it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from feta.grid import Matrix
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import AGE, Length, Measuring, Method, complete
from inference.biometry.measure import LandmarkFinder, collect_evidence
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.confidence.confidence import Confidence, Judging, assess
from inference.confidence.image_signals import image_signals
from inference.confidence.signals import collect_signals
from inference.confidence.verdict import Verdict
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
        confidence: how far they can be trusted; None of label maps that somebody else made.
        estimated: weeks that the image shows, for which centiles are where no age was given; None otherwise.
    """

    lengths: dict[Measurement, Length]
    sizes: tuple[Measured, ...]
    warnings: tuple[str, ...]
    confidence: Confidence | None = None
    estimated: float | None = None


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
    measures = measure_labels(
        volume,
        segmented,
        aligned,
        models.find_landmarks,
        measuring,
        age,
        judging=models.judging,
        doubts=doubts_of(volume, warnings),
    )
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
    judging: Judging | None = None,
    doubts: tuple[str, ...] = (),
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
        judging: by what the result is judged; None of labels that others than our networks drew.
        doubts: what was said of the segmentation.
    """
    # Much of this is one core's own work; what doesn't wait for the lengths is done by another.
    with ThreadPoolExecutor(1, "sizes") as beside:
        errors = None if judging is None else judging.further
        of_map = beside.submit(measure_sizes, segmented.labels, aligned, errors) if sized else None
        of_image = None if judging is None else beside.submit(image_signals, volume, segmented.labels)
        evidence = collect_evidence(volume, segmented, aligned, find_landmarks)
    lengths, notes = complete(evidence, age, measuring.model, measuring.calibration, measuring.method)
    confidence, weeks = None, age
    if judging is not None and of_image is not None:
        # Errors were measured of lengths that all sources together give: other ones keep the intervals of their own.
        fused = measuring.method is Method.FUSION
        usual = lengths if fused else complete(evidence, age, measuring.model, measuring.calibration)[0]
        signals = collect_signals(volume, segmented, aligned, usual, of_image.result())
        ageless = usual
        if age is not None and judging.model is not None:  # nothing else asks what they were without the age
            ageless, _ = complete(evidence, None, measuring.model, measuring.calibration)
        doubts = (*doubts, *_of_no_length(lengths, age, measuring.method))
        confidence = assess(signals, lengths if fused else {}, ageless, age, judging, doubts)
        lengths, notes = confidence.with_intervals(lengths), (*notes, *confidence.notes)
        if age is None and confidence.age is not None and confidence.judgement.verdict is not Verdict.REJECT:
            weeks, notes = confidence.age.weeks, (*notes, confidence.age.instead)
    if of_map is None:
        return Measures(lengths, (), notes, confidence)
    measured = of_map.result()
    sizes = measured.placed(lengths, weeks)
    if confidence is not None:
        sizes = confidence.with_volumes(sizes)
    return Measures(lengths, sizes, (*notes, *measured.warnings), confidence, weeks if age is None else None)


def _of_no_length(lengths: Mapping[Measurement, Length], age: float | None, method: Method) -> tuple[str, ...]:
    """A doubt where an age is known, and yet no length is from the image."""
    if age is None or method is Method.AGE or any(length.source != AGE for length in lengths.values()):
        return ()
    return ("no length was found on the image that suits the age",)


def doubts_of(volume: Volume, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Of what was said of a segmentation that which puts it in doubt: what the header lacks does not."""
    return tuple(line for line in warnings if line not in volume.warnings)


def judge_segmentation(
    volume: Volume, segmented: Segmentation, judging: Judging, age: float | None, doubts: tuple[str, ...]
) -> Confidence:
    """How far a label map can be trusted of which nothing is measured; arguments as of ``measure_labels``."""
    # Brought upright for this alone: half a brain, or one of which slices are missing, shows there.
    aligned = align_to_midline(segmented.labels, segmented.to_canonical)
    return assess(collect_signals(volume, segmented, aligned, {}), {}, {}, age, judging, doubts)


def upright_frame(segmented: Segmentation, aligned: AlignedLabels | None) -> Matrix:
    """4×4 from physical LPS mm to the upright brain: by the label map, which knows better than the pose found first."""
    return aligned.from_physical if aligned else segmented.to_canonical
