"""All that is measured of a case: volumes, the five lengths and further ones, each with its place on the norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.five_lengths import as_measured
from inference.morphometry.further_lengths import further_lengths
from inference.morphometry.measured import Measured
from inference.morphometry.norms import place
from inference.morphometry.sides import SIDES, why_unknown
from inference.morphometry.volumes import NO_SIDES, measure_volumes


def measure_sizes(
    labels: Volume,
    aligned: AlignedLabels | None,
    lengths: Mapping[Measurement, Length],
    age: float | None,
    *,
    ours: bool = True,
) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """Everything that tables and pages show of a case.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        aligned: the same, upright; None where the map is empty or nobody knows how the brain lies.
        lengths: the five.
        age: weeks; None where unknown.
        ours: whether our networks drew the labels: the errors of further lengths are known of theirs alone.

    Returns:
        volumes, the five lengths, further lengths; and warnings, one line each.
    """
    volumes, warnings = measure_volumes(labels, aligned)
    further = further_lengths(aligned)
    if not ours:
        further = [replace(size, low=None, high=None) for size in further]
    if why_unknown(labels.grid):
        further = [_without_side(size) for size in further]
    return tuple(place(size, age) for size in (*volumes, *as_measured(lengths), *further)), warnings


def _without_side(size: Measured) -> Measured:
    """A size of one side is none where nobody knows the sides."""
    if not size.key.endswith(SIDES):
        return size
    return replace(size, value=None, low=None, high=None, line=None, flag=NO_SIDES)
