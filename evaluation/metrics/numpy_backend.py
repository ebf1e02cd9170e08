"""The three heavy steps in NumPy and SciPy, used where numba is not installed or ``FETA_BACKEND=numpy``.

``evaluation.metrics.numba_backend`` has the same three functions compiled; tests hold them equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from evaluation.metrics.surface_elements import Surface, too_many
from feta.labels import LABEL_COUNT


def surfaces(labels: npt.NDArray[np.uint8], most: npt.NDArray[np.int64] | None = None) -> tuple[Surface, ...]:
    """Find the surface elements of all labels.

    Args:
        labels: (z, y, x), values 0–7.
        most: (7,) how many a label may have; those of a label that has more are only counted.

    Returns:
        One Surface for each of the labels 1–7.
    """
    boxes = ndimage.find_objects(labels, max_label=LABEL_COUNT - 1)
    limits = [labels.size * 8] * len(boxes) if most is None else most.tolist()
    return tuple(_surface(labels, i + 1, box, most=limits[i]) for i, box in enumerate(boxes))


def _surface(labels: npt.NDArray[np.uint8], label: int, box: tuple[slice, ...] | None, most: int) -> Surface:
    if box is None:
        return Surface(np.empty((3, 0), dtype=np.int32), np.empty(0, dtype=np.uint8))
    mask = np.pad(labels[box] == label, 1).astype(np.uint8)
    size = tuple(n - 1 for n in mask.shape)
    code = np.zeros(size, dtype=np.uint8)
    for bit, (dz, dy, dx) in enumerate(np.ndindex(2, 2, 2)):
        code |= mask[dz : dz + size[0], dy : dy + size[1], dx : dx + size[2]] << (7 - bit)
    on_surface = (code != 0) & (code != 255)
    if (count := int(np.count_nonzero(on_surface))) > most:
        return too_many(count)
    positions = np.array(np.nonzero(on_surface), dtype=np.int32)
    codes = code[tuple(positions)]
    return Surface(positions + np.array([[s.start] for s in box], dtype=np.int32), codes)


def nearest_distances(
    queries: npt.NDArray[np.int32],
    targets: npt.NDArray[np.int32],
    spacing: tuple[float, float, float],
    weights: npt.NDArray[np.float64],
    share: float,
) -> npt.NDArray[np.float64]:
    """Distance from each query corner to the nearest target corner.

    Args:
        queries: (3, N) corner indices (z, y, x).
        targets: (3, M) corner indices, M ≥ 1, in lexicographic order.
        spacing: mm along (z, y, x).
        weights: (N,) weight of each query.
        share: the part of the weight whose distances are needed, from the smallest up.

    Returns:
        (N,) float64 mm. Queries beyond that share may have ``inf`` (here none has).
    """
    del weights, share
    low = np.minimum(queries.min(axis=1), targets.min(axis=1))[:, None]
    high = np.maximum(queries.max(axis=1), targets.max(axis=1))[:, None]
    elsewhere = np.ones(tuple((high - low + 1)[:, 0]), dtype=bool)
    elsewhere[tuple(targets - low)] = False
    return ndimage.distance_transform_edt(elsewhere, sampling=spacing)[tuple(queries - low)]


def components_and_cavities(labels: npt.NDArray[np.uint8], wanted: Sequence[int]) -> npt.NDArray[np.int64]:
    """How many 6-connected components each label has, and how many 26-connected cavities.

    Args:
        labels: (z, y, x), values 0–7.
        wanted: labels that have a voxel.

    Returns:
        (len(wanted), 2) int64.
    """
    boxes = ndimage.find_objects(labels, max_label=LABEL_COUNT - 1)
    result = np.zeros((len(wanted), 2), np.int64)
    for i, label in enumerate(wanted):
        mask = np.pad(labels[boxes[label - 1]] == label, 1)
        # One component of what is around it is the outside; the others are cavities.
        result[i] = ndimage.label(mask)[1], ndimage.label(~mask, np.ones((3, 3, 3)))[1] - 1
    return result
