"""The five lengths as a segmented image shows them: by geometry on the label map, as long as they are in proportion to
each other, from the tissues' volumes, and by the landmark network where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.calibration import SOURCES, Calibration, LengthSource
from inference.biometry.landmark_definitions import landmark_lines
from inference.biometry.line import Line
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.biometry.volume_regression import tissue_volumes
from inference.geometry.segmentation_result import Segmentation

if TYPE_CHECKING:
    # torch takes seconds to import.
    from inference.biometry.landmark_network import LandmarkPair

#: What a length can be of the brain's width, in any patient; beyond that, the label map is at fault. The published
#: means lie at 0.42–0.52, 0.19–0.25 and 0.43–0.58, those of the spina bifida atlas at 0.42–0.64, 0.24–0.34, 0.36–0.49.
SHARE_OF_WIDTH = {Measurement.LCC: (0.28, 0.80), Measurement.HV: (0.10, 0.45), Measurement.TCD: (0.20, 0.85)}


class LandmarkFinder(Protocol):
    """Finds the ends of lengths on an image; the class ``LandmarkNetwork`` needs torch, this does not."""

    def __call__(
        self, image: Volume, segmentation: Segmentation, aligned: AlignedLabels
    ) -> Mapping[Measurement, LandmarkPair]:
        """Both ends of each length that was found."""


def collect_evidence(
    volume: Volume,
    segmentation: Segmentation,
    aligned: AlignedLabels | None,
    find_landmarks: LandmarkFinder | None,
) -> Evidence:
    """The evidence of an image about the lengths.

    Args:
        volume: the image, float32 (z, y, x).
        segmentation: its label map and frame.
        aligned: what ``align_to_midline`` makes of them; None where the map is empty.
        find_landmarks: the landmark network; None where the weights have none.
    """
    volumes = tissue_volumes(segmentation.labels)
    if aligned is None:
        return Evidence({}, volumes)
    # What a network leaves of the processors' time is enough for the geometry.
    with ThreadPoolExecutor(1, "geometry") as beside:
        geometry = beside.submit(measure_upright, aligned)
        found = find_landmarks(volume, segmentation, aligned) if find_landmarks is not None else {}
        return with_heatmaps(geometry.result(), volumes, found)


def measure(labels: Volume, to_canonical: Matrix) -> dict[Measurement, Line | None]:
    """Measure the five lengths.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        to_canonical: 4×4 from physical LPS mm to the brain frame (x right, y anterior, z superior);
            some degrees off does no harm.

    Returns:
        ends of each length in physical LPS mm, None where it can't be measured.
    """
    aligned = align_to_midline(labels, to_canonical)
    return dict.fromkeys(MEASUREMENTS) if aligned is None else measure_upright(aligned)


def measure_upright(aligned: AlignedLabels) -> dict[Measurement, Line | None]:
    """Measure the five lengths on a label map that stands upright already; else as ``measure``."""
    found = landmark_lines(aligned.labels, aligned.origin, aligned.spacing, None)
    width = found[Measurement.BBIP]
    sane = {m: line for m, line in found.items() if line is not None and _in_proportion(m, line, width)}
    return {m: sane[m].moved(aligned.to_physical) if m in sane else None for m in MEASUREMENTS}


def _in_proportion(measurement: Measurement, line: Line, width: Line | None) -> bool:
    """Whether a length suits the brain's width, where both are known."""
    if width is None or measurement not in SHARE_OF_WIDTH:
        return True
    low, high = SHARE_OF_WIDTH[measurement]
    return low <= line.length / width.length <= high


Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What was found on one image.

    Attributes:
        geometry: on the label map; None or left out where it can't be measured there.
        volumes: (7,) ml of the tissues.
        heatmap: ends that the landmark network found; left out where it found none.
        blur: of each heatmap's length, its standard deviation against it.
    """

    geometry: Mapping[Measurement, Line | None]
    volumes: Array
    heatmap: Mapping[Measurement, Line] = field(default_factory=dict)
    blur: Mapping[Measurement, float] = field(default_factory=dict)

    def line(self, measurement: Measurement, source: LengthSource) -> Line | None:
        """Where a source saw a length; None where it didn't, or sees none."""
        if source is LengthSource.HEATMAP:
            return self.heatmap.get(measurement)
        return self.geometry.get(measurement) if source is LengthSource.GEOMETRY else None

    def estimates(self, calibration: Calibration, age: float | None = None) -> Array:
        """Lengths (5, 3) in mm by measurement and source, the usual error taken off; NaN where there is none.

        Args:
            calibration: of the sources.
            age: for a regression on age as well as on volumes.
        """
        found = np.full((len(MEASUREMENTS), len(SOURCES)), np.nan)
        for row, measurement in zip(found, MEASUREMENTS, strict=True):
            for column, source in enumerate(SOURCES):
                line = self.line(measurement, source)
                if line is not None and line.length > 0:
                    row[column] = line.length
        found *= np.exp(-calibration.bias)
        if calibration.regression is not None:
            found[:, SOURCES.index(LengthSource.REGRESSION)] = calibration.regression.lengths(self.volumes, age)
        return found


def with_heatmaps(
    geometry: Mapping[Measurement, Line | None], volumes: Array, found: Mapping[Measurement, LandmarkPair]
) -> Evidence:
    """The evidence of the label map and of the landmark network together."""
    blur = {m: pair.length_sd / max(pair.length, 1.0) for m, pair in found.items()}
    return Evidence(geometry, volumes, {m: pair.line for m, pair in found.items()}, blur)
