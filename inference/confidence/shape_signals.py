"""What a label map's shape tells: sizes and their proportions, likeness of the two sides, ends that were cut off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES, Tissue
from inference.biometry.midline_alignment import AlignedLabels
from inference.morphometry.label_check import mirror_overlap

Array = npt.NDArray[np.float64]
#: A tissue counts as no less than this (ml), so that one that is missing has a logarithm.
LEAST_ML = 0.1
#: Ends are looked at this far (mm) inside the outermost voxel: the outermost slice of any label map is ragged.
INSIDE_MM = 1.2
_NAMES = ("size", "long", "high", "symmetry", "cut_end", "spread")


def shape_signals(volumes_ml: Array, aligned: AlignedLabels | None) -> tuple[dict[str, float], dict[str, Array]]:
    """Signals of the whole and of the tissues, by name.

    Args:
        volumes_ml: (7,) of the tissues.
        aligned: the upright label map; None where it is empty, and what depends on it is NaN.
    """
    logs = np.log(np.maximum(volumes_ml, LEAST_ML))
    total = float(np.log(max(float(volumes_ml.sum()), LEAST_ML)))
    tissue = {"tissue_size": logs, "tissue_part": logs - total}
    missing = {"missing": float((volumes_ml <= 0).sum()), "ventricles": ventricles_part(volumes_ml)}
    missing |= {"fluid": float(tissue["tissue_part"][_at(Tissue.ECSF)])}
    if aligned is None:
        return {**missing, **dict.fromkeys(_NAMES, float("nan")), "size": total}, tissue
    brain = aligned.labels > 0
    areas = [np.count_nonzero(brain, axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    # Extents that a stray voxel doesn't change: four times the standard deviation along an axis.
    extent = [4 * aligned.spacing * _deviation(area) for area in areas]
    z, y, x = (max(each, 1e-3) for each in extent)
    case = {
        "size": total,
        "long": float(np.log(y / x)),
        "high": float(np.log(z / x)),
        "symmetry": mirror_overlap(aligned),
        "cut_end": max(_flat(area, aligned.spacing) for area in areas),
        "spread": float(np.log(x * y * z) - total),
    }
    return {**missing, **case}, tissue


def ventricles_part(volumes_ml: Array) -> float:
    """ln of the part that the ventricles have of the volumes (7,)."""
    total = max(float(volumes_ml.sum()), LEAST_ML)
    return float(np.log(max(float(volumes_ml[_at(Tissue.VM)]), LEAST_ML) / total))


def _flat(area: npt.NDArray[np.int_], spacing: float) -> float:
    """The larger of the areas just inside both ends of an axis, against the largest of all."""
    there = np.flatnonzero(area)
    inside = max(1, round(INSIDE_MM / spacing))
    ends = there[min(inside, len(there) - 1)], there[max(-1 - inside, -len(there))]
    return max(float(area[end]) for end in ends) / float(area.max())


def _deviation(area: npt.NDArray[np.int_]) -> float:
    at = np.arange(len(area))
    middle = np.average(at, weights=area)
    return float(np.sqrt(np.average((at - middle) ** 2, weights=area)))


def _at(tissue: Tissue) -> int:
    return TISSUES.index(tissue)
