"""What a segmentation gives: the label map and the frame of the brain. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feta.grid import Matrix
from feta.volumes import Volume


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
    warnings: tuple[str, ...] = ()


#: Segments one volume of float32 intensities (z, y, x); the class ``Segmenter`` needs torch, this does not.
SegmentVolume = Callable[[Volume], Segmentation]
