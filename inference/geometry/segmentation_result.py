"""What a segmentation gives: the label map and the frame of the brain. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from feta.grid import Matrix
from feta.volumes import Volume


class Segmented(Protocol):
    """What a segmenter gives back: see ``inference.segmenter.Segmentation``."""

    @property
    def labels(self) -> Volume:
        """uint8 (z, y, x) on the input's grid."""

    @property
    def to_canonical(self) -> Matrix:
        """4×4, from physical LPS mm to the canonical brain frame."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line each."""


class SegmenterLike(Protocol):
    """Anything that segments a volume."""

    def __call__(self, volume: Volume) -> Segmented:
        """Segment one volume."""


@dataclass(frozen=True)
class Segmentation:
    """A label map and the frame of the brain.

    Attributes:
        labels: uint8 (Z, Y, X), on the input's grid.
        to_canonical: 4×4 float64, from the image's physical LPS mm to canonical brain mm (x right,
            y anterior, z superior, origin at the brain's centre).
        warnings: for the user, one line each.
    """

    labels: Volume
    to_canonical: Matrix
    warnings: tuple[str, ...]
