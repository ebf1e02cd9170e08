"""Overlap of two label maps, from one confusion matrix for all labels.

Dice = 2TP / (2TP + FP + FN) and VS = 1 − |FN − FP| / (2TP + FP + FN), as in Taha and Hanbury, "Metrics for
evaluating 3D medical image segmentation: analysis, selection, and tool", BMC Medical Imaging 15:29, 2015. A label that
neither map has is 0/0 here, which is NaN; the policy gives it its value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import LABEL_COUNT

#: Voxels counted at once: bincount widens its input to 8 bytes, and a chunk of this size stays in the cache.
_CHUNK = 1 << 15


def confusion_matrix(truth: npt.NDArray[np.uint8], prediction: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Count voxels by their label in both maps.

    Args:
        truth: ground truth, labels 0–7, any shape.
        prediction: labels 0–7, the same shape.

    Returns:
        (8, 8) int64, rows are the truth's labels, columns the prediction's.

    Raises:
        ValueError: the shapes differ or a label is above 7.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"shapes differ: {truth.shape} and {prediction.shape}")
    if truth.size and max(truth.max(), prediction.max()) >= LABEL_COUNT:
        raise ValueError("a label is above 7")
    counts = np.zeros(LABEL_COUNT**2, dtype=np.int64)
    box = foreground_box(truth | prediction) if truth.ndim else ()
    both = (truth[box] * np.uint8(LABEL_COUNT) + prediction[box]).reshape(-1)
    for start in range(0, both.size, _CHUNK):
        chunk = both[start : start + _CHUNK]
        counts += np.bincount(chunk[chunk != 0], minlength=LABEL_COUNT**2)
    counts[0] = truth.size - counts.sum()
    return counts.reshape(LABEL_COUNT, LABEL_COUNT)


def foreground_box(labels: npt.NDArray[np.uint8]) -> tuple[slice, ...]:
    """From the first voxel that isn't 0 to one past the last, along each axis; empty slices where there is none."""
    box = []
    for axis in range(labels.ndim):
        others = tuple(a for a in range(labels.ndim) if a != axis)
        found = np.flatnonzero(labels.max(axis=others, initial=0))
        box.append(slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0))
        labels = labels[(slice(None),) * axis + (box[-1],)]
    return tuple(box)


def dice(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Dice similarity coefficient (Dice 1945; Taha and Hanbury 2015) of each label.

    Args:
        confusion: (8, 8) voxels, rows are the ground truth's labels.

    Returns:
        (7,) float64 in 0–1, labels 1–7; NaN for a label that is in neither map.
    """
    both, sizes = _overlap(confusion)
    with np.errstate(invalid="ignore"):
        return 2 * both / sizes


def volume_similarity(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Volumetric similarity (Taha and Hanbury 2015) of each label.

    Args:
        confusion: (8, 8) voxels, rows are the ground truth's labels.

    Returns:
        (7,) float64 in 0–1, labels 1–7; NaN for a label that is in neither map.
    """
    _, sizes = _overlap(confusion)
    difference = np.abs(confusion.sum(axis=1) - confusion.sum(axis=0))[1:]
    with np.errstate(invalid="ignore"):
        return 1 - difference / sizes


def _overlap(confusion: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """TP and 2TP + FP + FN of labels 1–7."""
    return np.diag(confusion)[1:], (confusion.sum(axis=0) + confusion.sum(axis=1))[1:]
