"""Labelled heads whose landmarks are known, ready to be sampled: what the landmark network learns from.

From two sources: label maps on which the landmarks are found by definition, and data sets in the challenge's layout
(`training.data.expert_landmarks`), whose landmarks experts set on the image, or the simulation knows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feta.bids import subject_in
from feta.errors import FetaError
from feta.grid import Matrix, transformed
from feta.labels import LABEL_COUNT
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume, read_label_map, read_volume
from inference.biometry.landmark_network import ordered
from inference.biometry.line import Line
from inference.biometry.midline_alignment import align_to_midline
from inference.geometry.frames import LPS_TO_RAS
from training.assessment.atlas_landmarks import read_landmarks
from training.data.expert_landmarks import ExpertLandmarks, read_feta_biometry
from training.data.subject import pairs

Points = npt.NDArray[np.float64]
#: Labels of a volume as the shipped network gives them, and the 4×4 from physical LPS mm to its brain frame.
Segment = Callable[[Volume], tuple[Volume, Matrix]]
#: The signal is kept in steps of this part of the brain's standard deviation.
STEP = 1 / 24
#: So many voxels of a head tell how far it reaches when it is turned.
_SPREAD_POINTS = 3000


@dataclass(frozen=True)
class LandmarkHead:
    """One head.

    Attributes:
        name: of its image.
        labels: (z, y, x) uint8, cropped to them.
        predicted: likewise, as a network gives them; None where none was asked.
        signal: (z, y, x) int8, the image's departure from its label's mean in multiples of ``STEP``
            standard deviations of the brain.
        means: (8,) float32 mean of each label, brain mean 0, sd 1; 0 for background.
        to_index: 4×4 from upright mm to index (x, y, z) of the arrays.
        ends: (10, 3) float64 landmarks in upright mm, two for each measurement in order; NaN where unknown.
        points: (N, 3) some labelled voxels, upright mm.
        source_subjects: names of those that its subject was made of (``training.data.provenance``).
    """

    name: str
    labels: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.uint8] | None
    signal: npt.NDArray[np.int8]
    means: npt.NDArray[np.float32]
    to_index: Matrix
    ends: Points
    points: Points
    source_subjects: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """``sub-crl21``."""
        return subject_in(self.name)


def labelled_heads(root: Path) -> Iterator[LandmarkHead]:
    """Heads of a labelled BIDS folder, their landmarks found on the label maps.

    Args:
        root: holds ``sub-*/anat/*_T2w.nii.gz`` with ``*_T2w_dseg.nii.gz``.

    Raises:
        FetaError: a file can't be read.
    """
    for name, (image, path) in pairs(root).items():
        labels, found = read_landmarks(path)
        if found is not None:
            yield make_head(name, read_volume(image), labels, found.lines, found.to_upright)


def measured_heads(root: Path, segment: Segment | None) -> Iterator[LandmarkHead]:
    """Heads of a data set in the challenge's layout, with the landmarks that it has.

    Args:
        root: holds ``derivatives/biometry`` and the images.
        segment: gives labels and pose; None where every image has a label map and stands upright by its header.

    Raises:
        FetaError: a file can't be used, or there are neither labels nor a network.
    """
    for case in read_feta_biometry(root):
        for line in case.warnings:
            print(f"warning: {line}", file=sys.stderr)
        if head := _measured(case, segment):
            yield head


def _measured(case: ExpertLandmarks, segment: Segment | None) -> LandmarkHead | None:
    """The head of a measured image; None where there is nothing in it."""
    if case.labels is None and segment is None:
        raise FetaError(case.image, "has no label map", "name weights that segment it with --weights")
    image = read_volume(case.image)
    seen, pose = (None, None) if segment is None else segment(image)
    labels = seen if case.labels is None else read_label_map(case.labels, image.grid)
    assert labels is not None
    if not labels.array.any():
        return None
    upright = align_to_midline(labels, _by_header(labels) if pose is None else pose)
    assert upright is not None
    return make_head(case.name, image, labels, case.lines, upright.from_physical, seen)


def _by_header(labels: Volume) -> Matrix:
    """4×4 from physical LPS mm to a frame that is upright if the header's is, its origin at the labels' centre."""
    centre = transformed(labels.grid.affine(), np.argwhere(labels.array).mean(axis=0)[None, ::-1])
    frame = LPS_TO_RAS.copy()
    frame[:3, 3] = -transformed(LPS_TO_RAS, centre)[0]
    return frame


def make_head(
    name: str,
    image: Volume,
    labels: Volume,
    lines: Mapping[Measurement, Line | None],
    to_upright: Matrix,
    predicted: Volume | None = None,
) -> LandmarkHead:
    """Crop a labelled image and carry its landmarks into the upright frame.

    Args:
        name: of the image.
        image: float32 (z, y, x).
        labels: uint8 on its grid, not empty.
        lines: landmarks in physical LPS mm.
        to_upright: 4×4 from physical LPS mm to the upright frame.
        predicted: labels as a network gives them, on the same grid.
    """
    found = np.argwhere(labels.array)
    low = found.min(axis=0)
    part = tuple(slice(int(a), int(b) + 1) for a, b in zip(low, found.max(axis=0), strict=True))
    crop = labels.array[part]
    means, residual = _standard(image.array[part], crop)
    from_index = to_upright @ labels.grid.affine()
    ends = np.full((2 * len(MEASUREMENTS), 3), np.nan)
    for k, measurement in enumerate(MEASUREMENTS):
        if line := lines.get(measurement):
            both = transformed(to_upright, np.array([line.start, line.end]))
            ends[2 * k : 2 * k + 2] = ordered(measurement, both)
    points = transformed(from_index, found[:: max(1, len(found) // _SPREAD_POINTS), ::-1])
    from_index[:3, 3] += from_index[:3, :3] @ low[::-1]
    seen = None if predicted is None else np.ascontiguousarray(predicted.array[part])
    return LandmarkHead(
        name, np.ascontiguousarray(crop), seen, residual, means, np.linalg.inv(from_index), ends, points
    )


def _standard(
    values: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """Mean of each label where the brain has mean 0 and sd 1, and the departure from it in steps."""
    inside = values[labels > 0]
    standard = (values - inside.mean()) / max(float(inside.std()), 1e-6)
    count = np.bincount(labels.ravel(), minlength=LABEL_COUNT)
    means = np.bincount(labels.ravel(), standard.ravel(), LABEL_COUNT) / np.maximum(count, 1)
    means[0] = 0
    residual = np.where(labels > 0, standard - means[labels], 0)
    return means.astype(np.float32), np.clip(np.rint(residual / STEP), -127, 127).astype(np.int8)
