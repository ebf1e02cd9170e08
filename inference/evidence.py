"""What an image says about the five lengths, before it is weighed against the age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from feta.measurements import MEASUREMENTS, Measurement
from inference.biometry.calibration import SOURCES, Calibration, Source
from inference.biometry.line import Line

if TYPE_CHECKING:
    # torch takes seconds to import.
    from inference.biometry.landmark_network import LandmarkPair

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

    def line(self, measurement: Measurement, source: Source) -> Line | None:
        """Where a source saw a length; None where it didn't, or sees none."""
        if source is Source.HEATMAP:
            return self.heatmap.get(measurement)
        return self.geometry.get(measurement) if source is Source.GEOMETRY else None

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
            found[:, SOURCES.index(Source.REGRESSION)] = calibration.regression.lengths(self.volumes, age)
        return found


def with_heatmaps(
    geometry: Mapping[Measurement, Line | None], volumes: Array, found: Mapping[Measurement, LandmarkPair]
) -> Evidence:
    """Put together what the label map and the landmark network say."""
    blur = {m: pair.length_sd / max(pair.length, 1.0) for m, pair in found.items()}
    return Evidence(geometry, volumes, {m: pair.line for m, pair in found.items()}, blur)
