"""Volumes of a label map: tissues, what they add up to, and the halves of the cerebrum."""

from __future__ import annotations

import numpy as np

from feta.labels import TISSUE_NAMES, TISSUES, Tissue
from feta.volumes import Volume
from inference.biometry.midline_alignment import AlignedLabels
from inference.biometry.volume_regression import tissue_volumes
from inference.morphometry.measured import Kind, Measured
from inference.morphometry.sides import HALVED, SIDES, halves, why_unknown

#: Sums of tissues by key: what people call it, and the tissues. Brain is tissue without any CSF; what lies above the
#: tentorium is taken without ventricles, since FeTA's hold the fourth, which lies below.
SUMS: dict[str, tuple[str, tuple[Tissue, ...]]] = {
    "total_brain": (
        "brain without ventricles and CSF",
        (Tissue.GM, Tissue.WM, Tissue.SGM, Tissue.CBM, Tissue.BSM),
    ),
    "intracranial": ("brain, ventricles, external CSF", TISSUES),
    "supratentorial": (
        "grey, white and deep grey matter",
        (Tissue.GM, Tissue.WM, Tissue.SGM),
    ),
}
#: What the halves are called: FeTA's ventricles hold the third, the fourth and the cavum, which lie in the midline.
HALF_NAMES = {Tissue.VM: "ventricles, to the midline"}
LABEL_MAP = "label map"
ABSENT, NO_SIDES = "not in the label map", "left and right unknown"


def measure_volumes(labels: Volume, aligned: AlignedLabels | None) -> tuple[tuple[Measured, ...], tuple[str, ...]]:
    """All volumes, in the order of tables, without norms.

    A tissue that isn't in the map is not measured, nor is what it is a part of: another protocol may have left it out.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        aligned: the same, upright; None where the map is empty, or where nobody knows how the brain lies: left and
            right then stay unknown.

    Returns:
        the volumes, and warnings, one line each.
    """
    found = dict(zip(TISSUES, (float(v) for v in tissue_volumes(labels)), strict=True))
    volumes = [_volume(t.name, TISSUE_NAMES[t], found[t] or None) for t in TISSUES]
    for key, (title, parts) in SUMS.items():
        known = all(found[part] for part in parts)
        volumes.append(_volume(key, title, sum(found[part] for part in parts) if known else None))
    unknown = why_unknown(labels.grid)
    warnings = (f"left and right are unknown: {unknown}",) if unknown else ()
    return (*volumes, *_halved(labels, None if unknown else aligned, found)), warnings


def _halved(labels: Volume, aligned: AlignedLabels | None, found: dict[Tissue, float]) -> list[Measured]:
    known = {} if aligned is None else halves(labels, aligned)
    voxel = float(np.prod(labels.grid.spacing)) / 1000
    result = []
    for tissue in HALVED:
        for side in SIDES:
            value = known[tissue, side] * voxel if known and found[tissue] else None
            title = f"{HALF_NAMES.get(tissue, TISSUE_NAMES[tissue])}, {side}"
            why = "" if value is not None else NO_SIDES if found[tissue] else ABSENT
            result.append(Measured(f"{tissue.name}_{side}", title, Kind.VOLUME, value, source=LABEL_MAP, flag=why))
    return result


def _volume(key: str, title: str, value: float | None) -> Measured:
    return Measured(key, title, Kind.VOLUME, value, source=LABEL_MAP, flag=ABSENT if value is None else "")
