"""How far the further lengths on predicted label maps are off from those on true ones (``further_lengths.json``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from feta.errors import FetaError
from feta.grid import Matrix, transformed
from feta.measurements import LANDMARK_LABELS, Measurement
from feta.volumes import Volume, read_label_map
from inference.biometry.midline_alignment import AlignedLabels, align_to_midline
from inference.morphometry.further_lengths import brain_extent, further_lengths
from inference.morphometry.length_errors import LengthErrors, kind_of

Array = npt.NDArray[np.float64]
#: Fewer cases tell of no spread.
FEWEST = 5
CHANCE = 0.9


def frame_of(landmarks: Volume) -> Matrix | None:
    """4×4 from physical LPS mm to the brain frame in which a case's ten landmarks say that its brain stands upright.

    Args:
        landmarks: each end of the five lengths marked by one voxel (z, y, x), ``…_meas.nii.gz``.

    Returns:
        None where a length has not two ends.
    """
    ends: dict[Measurement, Array] = {}
    for measurement, label in LANDMARK_LABELS.items():
        index = np.argwhere(landmarks.array == label)[:, ::-1]
        if len(index) != 2:
            return None
        ends[measurement] = transformed(landmarks.grid.affine(), index)
    middle = ends[Measurement.LCC].mean(axis=0)
    # The cerebellum lies behind and below the callosum.
    hindbrain = ends[Measurement.TCD].mean(axis=0) - middle
    right, forward = (np.subtract(*ends[m]) for m in (Measurement.BBIP, Measurement.LCC))
    right /= np.linalg.norm(right)
    forward -= right * (right @ forward)
    forward *= -np.sign(forward @ hindbrain) / np.linalg.norm(forward)
    up = np.cross(right, forward)
    if up @ hindbrain > 0:
        right, up = -right, -up
    matrix = np.eye(4)
    matrix[:3, :3] = right, forward, up
    matrix[:3, 3] = -matrix[:3, :3] @ middle
    return matrix


def case_errors(true: AlignedLabels, predicted: AlignedLabels) -> dict[str, list[float]]:
    """By kind of length: true less measured, as shares of the brain's width, left and right one each."""
    width = brain_extent(predicted)[0]
    found: dict[str, list[float]] = {}
    for truth, said in zip(further_lengths(true), further_lengths(predicted), strict=True):
        if truth.value is not None and said.value is not None:
            found.setdefault(kind_of(truth.key), []).append((truth.value - said.value) / width)
    return found


def fit_errors(cases: Sequence[Mapping[str, Sequence[float]]], weights: str = "") -> LengthErrors:
    """By kind of length: the prediction interval of the next case's error (Student's t).

    Both sides of a case are off alike, so that they count as one.

    Args:
        cases: as ``case_errors`` gives them.
        weights: which networks drew the label maps.

    Raises:
        FetaError: there are too few cases.
    """
    if len(cases) < FEWEST:
        raise FetaError("further lengths", f"{len(cases)} cases with both label maps are too few", f"give {FEWEST}")
    fitted = {}
    for kind in sorted({kind for case in cases for kind in case}):
        errors = np.concatenate([case.get(kind, ()) for case in cases])
        count = sum(kind in case for case in cases)
        if count >= FEWEST:
            reach = stats.t.ppf((1 + CHANCE) / 2, count - 1) * errors.std(ddof=1) * np.sqrt(1 + 1 / count)
            fitted[kind] = (float(errors.mean() - reach), float(errors.mean() + reach))
    return LengthErrors(fitted, len(cases), weights)


def cohort_errors(truth: Path, results: Path) -> list[dict[str, list[float]]]:
    """``case_errors`` of each case that has both label maps and, to be brought upright by, its ten landmarks.

    Args:
        truth: a simulated cohort's label maps, and under ``derivatives/biometry`` its landmarks.
        results: folder of label maps that the networks drew, such as ``feta-infer`` made it of the cohort's images.

    Raises:
        FetaError: a file can't be read.
    """
    cases = []
    for path in sorted(truth.glob("sub-*/**/*_dseg.nii.gz")):
        stem = path.name.removesuffix("_dseg.nii.gz")
        predicted = next(results.glob(f"**/{stem}_dseg.nii.gz"), None)
        marks = next((truth / "derivatives").glob(f"**/{stem.removesuffix('_T2w')}_meas.nii.gz"), None)
        frame = None if predicted is None or marks is None else frame_of(read_label_map(marks))
        if predicted is None or frame is None:
            continue
        upright = [align_to_midline(read_label_map(each), frame) for each in (path, predicted)]
        if upright[0] is not None and upright[1] is not None:
            cases.append(case_errors(upright[0], upright[1]))
    return cases
