"""What a segmentation gives: the label map and the frame of the brain. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feta.grid import Matrix
from feta.volumes import Volume


@dataclass(frozen=True)
class SoftLabels:
    """Probabilities of all labels, as the networks gave them: before islands and topology are seen to.

    Attributes:
        scores: (L, z, y, x) uint8, in units of 1/255, in the part of the grid that the networks saw.
        part: slices (z, y, x) of the grid; outside of it all is background.
        shape: of the grid, (Z, Y, X).
        undo: puts an array on that grid into the order of axes in which the volume is stored.
    """

    scores: npt.NDArray[np.uint8]
    part: tuple[slice, slice, slice]
    shape: tuple[int, int, int]
    undo: Callable[[npt.NDArray], npt.NDArray]

    def of(self, label: int) -> npt.NDArray[np.float32]:
        """Probabilities of one label, 0 to 1, (Z, Y, X) on the volume's grid."""
        whole = np.full(self.shape, 255 if label == 0 else 0, np.uint8)
        whole[self.part] = self.scores[label]
        return np.divide(self.undo(whole), 255, dtype=np.float32)


@dataclass(frozen=True)
class SegmentationSignals:
    """What tells how well a volume was segmented, as far as the segmentation itself knows; by name.

    Attributes:
        case: of the whole; NaN where unknown.
        tissue: of each tissue, (7,) in the order of TISSUES; NaN where unknown.
    """

    case: Mapping[str, float] = field(default_factory=dict)
    tissue: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Segmentation:
    """A label map and the frame of the brain.

    Attributes:
        labels: uint8 (Z, Y, X), on the input's grid.
        to_canonical: 4×4 float64, from the image's physical LPS mm to canonical brain mm (x right,
            y anterior, z superior, origin at the brain's centre).
        warnings: for the user, one line each.
        soft: probabilities, where they were asked for.
        signals: how sure the segmentation was; None of a label map that somebody else made.
    """

    labels: Volume
    to_canonical: Matrix
    warnings: tuple[str, ...] = ()
    soft: SoftLabels | None = None
    signals: SegmentationSignals | None = None


#: Segments one volume of float32 intensities (z, y, x); the class ``Segmenter`` needs torch, this does not.
SegmentVolume = Callable[[Volume], Segmentation]
