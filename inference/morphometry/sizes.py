"""All that is measured of a case: volumes, the five lengths and further ones, each with its place on the norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.five_lengths import as_measured
from inference.morphometry.further_lengths import further_lengths
from inference.morphometry.length_errors import LengthErrors
from inference.morphometry.measured import Measured
from inference.morphometry.norms import place
from inference.morphometry.sides import SIDES, why_unknown
from inference.morphometry.volumes import NO_SIDES, measure_volumes


@dataclass(frozen=True)
class Sizes:
    """What is measured on a label map beside the five lengths, without norms.

    Attributes:
        volumes: of the tissues, their sums and halves.
        further: lengths.
        warnings: one line each.
    """

    volumes: tuple[Measured, ...]
    further: tuple[Measured, ...]
    warnings: tuple[str, ...]

    def placed(self, lengths: Mapping[Measurement, Length], age: float | None) -> tuple[Measured, ...]:
        """Everything that tables and pages show of a case: volumes, the five lengths, further lengths, on the norms.

        Args:
            lengths: the five.
            age: weeks; None where unknown.
        """
        return tuple(place(size, age) for size in (*self.volumes, *as_measured(lengths), *self.further))


def measure_sizes(labels: Volume, aligned: AlignedLabels | None, errors: LengthErrors | None = None) -> Sizes:
    """Measure all but the five lengths.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        aligned: the same, upright; None where the map is empty or nobody knows how the brain lies.
        errors: of further lengths on the label maps of whoever drew this one; None where nobody knows them.
    """
    volumes, warnings = measure_volumes(labels, aligned)
    further = further_lengths(aligned, errors)
    if why_unknown(labels.grid):
        further = [_without_side(size) for size in further]
    return Sizes(volumes, tuple(further), warnings)


def _without_side(size: Measured) -> Measured:
    """A size of one side is none where nobody knows the sides."""
    if not size.key.endswith(SIDES):
        return size
    return replace(size, value=None, low=None, high=None, line=None, flag=NO_SIDES)
