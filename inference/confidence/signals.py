"""All signals of a case together, under fixed names and in a fixed order, as the model of quality takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.volume_regression import tissue_volumes
from inference.confidence.folding import folding
from inference.confidence.image_signals import image_signals
from inference.confidence.length_signals import length_signals
from inference.confidence.shape_signals import shape_signals
from inference.geometry.segmentation_result import Segmentation, SegmentationSignals

Array = npt.NDArray[np.float64]
#: Signals of the whole case by what they come from; what each group is worth is measured by leaving it out.
GROUPS: dict[str, tuple[str, ...]] = {
    "pose": ("pose_found", "pose_residual", "pose_size"),
    "mask": ("mask_undecided", "mask_filled"),
    "topology": ("changed",),
    "probabilities": ("certainty", "margin", "doubtful", "spill"),
    "image": (
        "spacing", "anisotropy", "contrast_fluid", "contrast_grey", "snr", "noise", "outside", "blank_slices",
        "slice_jumps", "flat_end",
    ),
    "shape": ("missing", "ventricles", "fluid", "size", "long", "high", "symmetry", "cut_end", "spread"),
    "lengths": ("lengths_seen", "lengths_apart", "lengths_width"),
}  # fmt: skip
CASE: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
TISSUE: tuple[str, ...] = (
    "tissue_changed", "tissue_certainty", "tissue_doubtful", "tissue_soft", "tissue_size", "tissue_part",
)  # fmt: skip
LENGTH: tuple[str, ...] = ("length_size", "length_width", "length_apart", "length_sources", "length_age")


@dataclass(frozen=True)
class Signals:
    """What is known of a case that may tell its quality; NaN where something is unknown.

    Attributes:
        case: of the whole, by the names of ``CASE``.
        tissue: (7,) each, in the order of TISSUES, by the names of ``TISSUE``.
        length: (5,) each, in the order of MEASUREMENTS, by the names of ``LENGTH``.
        volumes: (7,) ml.
        folding: of the part that the cortex encloses; only the age is estimated from it.
    """

    case: Mapping[str, float]
    tissue: Mapping[str, Array]
    length: Mapping[str, Array]
    volumes: Array
    folding: float = float("nan")

    def of_case(self) -> Array:
        """(K,) in the order of ``CASE``."""
        return np.array([self.case.get(name, np.nan) for name in CASE], np.float64)

    def of_tissues(self) -> Array:
        """(7, K + L + 7): those of the case, of the tissue, and which tissue it is."""
        return _rows(self.of_case(), self.tissue, TISSUE, len(TISSUES))

    def of_lengths(self) -> Array:
        """(5, K + L + 5): those of the case, of the length, and which length it is."""
        return _rows(self.of_case(), self.length, LENGTH, len(MEASUREMENTS))


def _rows(case: Array, own: Mapping[str, Array], names: tuple[str, ...], count: int) -> Array:
    unknown = np.full(count, np.nan)
    columns = np.stack([np.asarray(own.get(name, unknown), np.float64) for name in names], axis=1)
    return np.hstack([np.tile(case, (count, 1)), columns, np.eye(count)])


def collect_signals(
    volume: Volume,
    segmented: Segmentation,
    aligned: AlignedLabels | None,
    lengths: Mapping[Measurement, Length],
    image: Mapping[str, float] | None = None,
) -> Signals:
    """The signals of a case.

    Args:
        volume: the image, float32 (z, y, x).
        segmented: its label map.
        aligned: the same, upright; None where it is empty or was not brought upright.
        lengths: the five; empty where they were not measured.
        image: ``image_signals`` of volume and label map, where they are known already.
    """
    own = segmented.signals or SegmentationSignals()
    volumes = tissue_volumes(segmented.labels)
    shape, by_tissue = shape_signals(volumes, aligned)
    of_lengths, by_length = length_signals(lengths)
    image = image_signals(volume, segmented.labels) if image is None else image
    case = {**own.case, **image, **shape, **of_lengths}
    return Signals(case, {**own.tissue, **by_tissue}, by_length, volumes, folding(aligned))
