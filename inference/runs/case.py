"""One case from its volume to its files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feta.biometry_table import write_biometry
from feta.files import write_atomically
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, read_volume, write_label_map, write_volume
from inference.biometry.lengths import Length, Measuring
from inference.biometry.line import landmark_image
from inference.biometry.measure import LandmarkFinder
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.confidence.confidence import Confidence, Judging
from inference.confidence.table import write_confidence
from inference.derivatives.metaimage import read_image, write_map
from inference.derivatives.size_table import write_sizes
from inference.geometry.segmentation_result import Segmentation
from inference.morphometry.given_labels import GivenLabels, read_upright
from inference.runs.analysis import doubts_of, judge_segmentation, measure_labels, segment_volume, upright_frame
from inference.runs.import_ahead import import_ahead
from inference.runs.looks import MODULES, write_looks
from inference.runs.models import Models
from inference.runs.outputs import CaseJob
from inference.runs.sidecar import write_sidecar
from inference.surfaces.write import write_surfaces

#: Reads a volume as float32 (z, y, x).
ReadVolume = Callable[[Path], Volume]


@dataclass(frozen=True)
class Result:
    """What came out of a case, beside its files; no confidence in label maps that somebody else made."""

    lengths: dict[Measurement, Length]
    warnings: tuple[str, ...]
    confidence: Confidence | None = None


def process(job: CaseJob, models: Models, measuring: Measuring, read: ReadVolume = read_image) -> Result:
    """Segment a case, measure it, and write its files, the label map first.

    Args:
        job: the case and what to write.
        models: the loaded networks.
        measuring: how lengths are found.
        read: reads the case's volume.

    Raises:
        FetaError: the volume can't be used, or a file can't be written.
    """
    if job.given is not None:
        return _process_given(job, job.given, measuring)
    volume = read(job.case.image)
    import_ahead(MODULES if job.picture or job.report else [])
    segmented, warnings = segment_volume(job.case.image, volume, models)
    if not (job.biometry or job.sidecar or job.sizes or job.landmarks or job.picture or job.report):
        _write_maps(job, segmented)
        doubts = doubts_of(volume, warnings)
        judged = judge_segmentation(volume, segmented, models.judging, job.case.age, doubts)
        return Result({}, (*warnings, *judged.notes), judged)
    with ThreadPoolExecutor(1, "maps") as beside:
        written = beside.submit(_write_maps, job, segmented)
        aligned = align_to_midline(segmented.labels, segmented.to_canonical)
        written.result()
    return _measure(job, volume, segmented, aligned, models.find_landmarks, measuring, warnings, models.judging)


def _process_given(job: CaseJob, given: GivenLabels, measuring: Measuring) -> Result:
    """As ``process``, of a label map that is there already."""
    import_ahead(MODULES if job.picture or job.report else [])
    image = read_volume(job.case.image) if job.case.image != given.path else None
    upright = read_upright(given, None if image is None else image.grid)
    labels = upright.labels
    volume = Volume(labels.array.astype(np.float32), labels.grid) if image is None else image
    warnings = (*(() if image is None else image.warnings), *upright.warnings)
    segmented = Segmentation(labels, upright.to_canonical)
    return _measure(job, volume, segmented, upright.aligned, None, measuring, tuple(dict.fromkeys(warnings)))


def _measure(
    job: CaseJob,
    volume: Volume,
    segmented: Segmentation,
    aligned: AlignedLabels | None,
    find_landmarks: LandmarkFinder | None,
    measuring: Measuring,
    warnings: tuple[str, ...],
    judging: Judging | None = None,
) -> Result:
    """Measure a label map, and write what is made of it."""
    sized = bool(job.sizes or job.picture or job.report)
    found = measure_labels(
        volume, segmented, aligned, find_landmarks, measuring, job.case.age, sized=sized, judging=judging,
        doubts=doubts_of(volume, warnings),
    )  # fmt: skip
    lengths = found.lengths
    _write_lengths(job, volume, lengths)
    if job.sidecar:
        write_sidecar(job.sidecar, lengths, job.case.age, measuring.method, found.confidence)
    sizes, notes = found.sizes, found.warnings
    if job.surfaces:
        measured, said = write_surfaces(job.surfaces, job.meshes, segmented.labels, aligned)
        sizes, notes = (*sizes, *measured), (*notes, *said)
    if job.sizes:
        write_sizes(job.sizes, sizes, job.case.age, found.estimated)
    if job.confidence and found.confidence:
        write_confidence(job.confidence, job.case.name, found.confidence)
    frame = upright_frame(segmented, aligned)
    shown = (*job.case.warnings, *warnings, *notes)
    undrawn = write_looks(job, volume, segmented.labels, frame, lengths, sizes, shown, found.confidence)
    return Result(lengths, (*warnings, *notes, *undrawn), found.confidence)


def _write_maps(job: CaseJob, segmented: Segmentation) -> None:
    """The label map, the brain's mask, tissues' probabilities, and the texts that are written beside them."""
    labels = segmented.labels
    if job.label_map:
        write_map(job.label_map, labels)
    if job.mask:
        write_label_map(job.mask, Volume((labels.array > 0).astype(np.uint8), labels.grid))
    if segmented.soft:
        for tissue, path in job.probabilities.items():
            write_volume(path, Volume(segmented.soft.of(tissue), labels.grid))
    for path, text in job.beside.items():
        write_atomically(path, text)


def _write_lengths(job: CaseJob, volume: Volume, lengths: dict[Measurement, Length]) -> None:
    lines = {measurement: length.line for measurement, length in lengths.items() if length.line is not None}
    if job.biometry:
        values = {m: lengths[m].value for m in MEASUREMENTS}
        known = {m: float("nan") if v is None else v for m, v in values.items()}
        write_biometry(job.biometry, job.case.subject, known)
    if job.landmarks:
        write_label_map(job.landmarks, Volume(landmark_image(lines, volume.grid), volume.grid))
