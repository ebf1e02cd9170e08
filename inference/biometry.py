"""The five lengths by geometry on the label map.

Definitions follow the FeTA 2024 biometry task: LCC and HV in the mid-sagittal plane, HV
parallel to the brainstem; bBIP and sBIP in the axial plane through the atria, sBIP from
inner table to inner table, which is where the external CSF ends; TCD in the coronal plane.
Each is None where its structure is absent or too small to be measured.
"""

from __future__ import annotations

import numpy as np

from feta.labels import Tissue
from feta.measurements import MEASUREMENTS, Measurement
from feta.volumes import Volume
from inference.landmarks import Line
from inference.midsagittal import callosum, vermis
from inference.shapes import HALF_SLAB_MM, SMALLEST_VOLUME_MM3, Mask, largest, lengthened, widest_row
from inference.upright import SPACING, Matrix, Upright, turn_upright

#: What a length can be of the brain's width, in any patient; beyond that, the label map is at fault. The published
#: means lie at 0.42–0.52, 0.19–0.25 and 0.43–0.58, those of the spina bifida atlas at 0.42–0.64, 0.24–0.34, 0.36–0.49.
SHARE_OF_WIDTH = {Measurement.LCC: (0.28, 0.80), Measurement.HV: (0.10, 0.45), Measurement.TCD: (0.20, 0.85)}
CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM)


def measure(labels: Volume, to_canonical: Matrix) -> dict[Measurement, Line | None]:
    """Measure the five lengths.

    Args:
        labels: uint8 (z, y, x) FeTA labels.
        to_canonical: 4×4 from physical LPS mm to the brain frame (x right, y anterior, z superior);
            some degrees off does no harm.

    Returns:
        ends of each length in physical LPS mm, None where it can't be measured.
    """
    upright = turn_upright(labels, to_canonical)
    return dict.fromkeys(MEASUREMENTS) if upright is None else measure_upright(upright)


def measure_upright(upright: Upright) -> dict[Measurement, Line | None]:
    """Measure the five lengths on a label map that stands upright already; else as ``measure``."""
    brain, skull = _biparietal(upright)
    found = {
        Measurement.LCC: callosum(upright, brain.length) if brain else None,
        Measurement.HV: vermis(upright),
        Measurement.BBIP: brain,
        Measurement.SBIP: skull,
        Measurement.TCD: _cerebellum(upright),
    }
    sane = {m: line for m, line in found.items() if line is not None and _in_proportion(m, line, brain)}
    return {m: sane[m].moved(upright.to_physical) if m in sane else None for m in MEASUREMENTS}


def _in_proportion(measurement: Measurement, line: Line, width: Line | None) -> bool:
    """Whether a length suits the brain's width, where both are known."""
    if width is None or measurement not in SHARE_OF_WIDTH:
        return True
    low, high = SHARE_OF_WIDTH[measurement]
    return low <= line.length / width.length <= high


def _cerebellum(upright: Upright) -> Line | None:
    """The greatest width of the cerebellum over all coronal planes."""
    mask = largest(upright.labels == Tissue.CBM)
    if mask is None or mask.sum() * SPACING**3 < SMALLEST_VOLUME_MM3:
        return None
    # (y, x): where the cerebellum lies, looked at from above.
    y = widest_row(np.asarray(mask.any(axis=0)))
    return _across(upright, mask[:, y], y=y)


def _across(upright: Upright, coronal: Mask, y: int) -> Line:
    """The line across a coronal mask (z, x), at the mean height of its two outermost points."""
    columns = np.flatnonzero(coronal.any(axis=0))
    left, right = columns[0], columns[-1]
    z = float(np.mean([np.flatnonzero(coronal[:, x]).mean() for x in (left, right)]))
    start, end = (np.array([x, y, z]) * SPACING + upright.origin for x in (left, right))
    return lengthened(tuple(start), tuple(end))


def _biparietal(upright: Upright) -> tuple[Line | None, Line | None]:
    """Brain and skull width in the axial plane through the atria, both on the row where the brain is widest."""
    brain = largest(np.isin(upright.labels, CEREBRUM))
    if brain is None or brain.sum() * SPACING**3 < SMALLEST_VOLUME_MM3:
        return None, None
    z = upright.index(2, _atria_height(upright))
    axial = _slab(brain, upright, z)
    if not axial.any():
        return None, None
    head = largest(upright.labels != Tissue.BACKGROUND)
    assert head is not None
    y = widest_row(axial)
    skull = _slab(head, upright, z)
    return _row(upright, axial, y, z), _row(upright, skull | axial, y, z)


def _slab(mask: Mask, upright: Upright, z: int) -> Mask:
    """(y, x) pixels that at least half of an axial slab holds."""
    half = round(HALF_SLAB_MM / SPACING)
    return mask[max(z - half, 0) : z + half + 1].mean(axis=0) >= 0.5


def _row(upright: Upright, axial: Mask, y: int, z: int) -> Line:
    columns = np.flatnonzero(axial[y])
    start, end = (np.array([x, y, z]) * SPACING + upright.origin for x in (columns[0], columns[-1]))
    return lengthened(tuple(start), tuple(end))


def _atria_height(upright: Upright) -> float:
    """Height z (mm) of the atria: the ventricles right behind the deep grey matter, else the brain's middle."""
    grey = upright.positions(upright.labels == Tissue.SGM)
    ventricles = upright.positions(upright.labels == Tissue.VM)
    if len(grey) and len(ventricles):
        behind = float(np.percentile(grey[:, 1], 2))
        # Off the midline: neither the third nor the fourth ventricle.
        atria = ventricles[(np.abs(ventricles[:, 1] - behind) < 4.0) & (np.abs(ventricles[:, 0]) > 6.0)]
        if len(atria) * SPACING**3 > 10.0:
            return float(np.median(atria[:, 2]))
    if len(ventricles):
        return float(np.median(ventricles[:, 2]))
    return float(np.median(upright.positions(np.isin(upright.labels, CEREBRUM))[:, 2]))
