"""HD95 as DeepMind's ``surface_distance`` defines it (``compute_robust_hausdorff(…, 95)``).

1. Surface elements sit on voxel corners and have areas.
2. In each direction, the distance of each element to the nearest element of the other surface is found.
3. Distances are sorted and areas added up; the first distance at which the share of the area reaches 0.95 is taken,
   without interpolation.
4. The larger of the two directions is the HD95.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics import backend
from evaluation.metrics.surface_elements import Surface, area_table

SHARE = 0.95
#: Shares closer to 0.95 than this are decided by rounding: then everything is added up in the library's own order.
_ROUNDING = 1e-9


def hausdorff95(truth: Surface, prediction: Surface, spacing: tuple[float, float, float]) -> float:
    """95th percentile of the Hausdorff distance (``surface_distance``), in mm; infinite where either mask is empty, or
    its elements were left out.

    Args:
        truth: surface of the ground truth's mask.
        prediction: surface of the predicted mask, in the same lattice.
        spacing: mm along (z, y, x).
    """
    if not truth.codes.size or not prediction.codes.size:
        return float("inf")
    return max(_one_way(truth, prediction, spacing), _one_way(prediction, truth, spacing))


def _one_way(start: Surface, end: Surface, spacing: tuple[float, float, float]) -> float:
    areas = area_table(spacing)[start.codes]
    nearest = backend.load().nearest_distances
    distances = nearest(start.positions, end.positions, spacing, areas, SHARE + _ROUNDING)
    value = _clear_percentile(distances, areas)
    if value is None:
        distances = nearest(start.positions, end.positions, spacing, areas, 1.0)
        value = _exact_percentile(distances, areas)
    return value


def _clear_percentile(distances: npt.NDArray[np.float64], areas: npt.NDArray[np.float64]) -> float | None:
    """The distance at which the share reaches 0.95; None where rounding would decide which it is.

    Only the bin of distances in which the share is reached is sorted.
    """
    total = float(areas.sum())
    settled = np.isfinite(distances)
    distances, areas = distances[settled], areas[settled]
    bins = (distances * (1023 / max(float(distances.max()), 1e-9))).astype(np.int32)
    reached = np.cumsum(np.bincount(bins, areas))
    goals = total * np.array([SHARE - _ROUNDING, SHARE + _ROUNDING])
    first, last = np.minimum(np.searchsorted(reached, goals), reached.size - 1)
    inside = np.flatnonzero((bins >= first) & (bins <= last))
    inside = inside[np.argsort(distances[inside], kind="stable")]
    below = reached[first - 1] if first else 0.0
    steps = np.minimum(np.searchsorted(below + np.cumsum(areas[inside]), goals), inside.size - 1)
    low, high = distances[inside[steps]]
    return float(high) if high - low <= _ROUNDING else None


def _exact_percentile(distances: npt.NDArray[np.float64], areas: npt.NDArray[np.float64]) -> float:
    """The library's arithmetic step by step, so that even its rounding is the same."""
    order = np.lexsort((areas, distances))
    shares = np.cumsum(areas[order]) / np.sum(areas[order])
    return float(distances[order][min(int(np.searchsorted(shares, SHARE)), order.size - 1)])
