"""The challenge's five lengths as sizes among others."""

from __future__ import annotations

from collections.abc import Mapping

from feta.measurements import MEASUREMENT_NAMES, MEASUREMENTS, Measurement
from inference.biometry.lengths import Length
from inference.morphometry.measured import Kind, Measured


def as_measured(lengths: Mapping[Measurement, Length]) -> tuple[Measured, ...]:
    """The lengths that are given, in the order of MEASUREMENTS, without norms."""
    return tuple(_as_measured(m, lengths[m]) for m in MEASUREMENTS if m in lengths)


def _as_measured(measurement: Measurement, length: Length) -> Measured:
    low, high = length.interval or (None, None)
    title = MEASUREMENT_NAMES[measurement]
    return Measured(measurement, title, Kind.LENGTH, length.value, low, high, source=length.source, line=length.line)
