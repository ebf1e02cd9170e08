"""What an image shows beside its label map: contrast and noise within tissues, missing slices, brains that are cut off.

Contrast and noise are no-reference measures as MRIQC has them (Esteban et al., PLoS ONE 2017;12:e0184661), of the
tissues as they were segmented; those of missing and cut parts are this project's own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.labels import Tissue, foreground_box
from feta.volumes import Volume

Array = npt.NDArray[np.float64]
FLUID, GREY, WHITE = (Tissue.ECSF, Tissue.VM), (Tissue.GM,), (Tissue.WM,)
#: Of so many voxels medians are taken.
SAMPLED = 60_000
#: Slices in which the brain is smaller than this part of its largest slice tell little of their brightness.
TELLING_SLICE = 0.3
#: From a median absolute deviation to a standard deviation.
MAD = 1.4826
UNKNOWN = dict.fromkeys(
    ("contrast_fluid", "contrast_grey", "snr", "noise", "outside", "blank_slices", "slice_jumps", "flat_end"),
    float("nan"),
)


def image_signals(volume: Volume, labels: Volume) -> dict[str, float]:
    """Signals by name; NaN where the label map is empty.

    Args:
        volume: float32 (z, y, x).
        labels: uint8 on the same grid.
    """
    spacing = np.array(volume.grid.spacing)
    found = {"spacing": float(np.log(spacing.prod()) / 3), "anisotropy": float(np.log(spacing.max() / spacing.min()))}
    part = foreground_box(labels.array)
    if part is None:
        return {**found, **UNKNOWN}
    image, tissue = volume.array[part], labels.array[part]
    return {**found, **_intensities(image, tissue), **_slices(image, tissue)}


def _intensities(image: npt.NDArray[np.float32], tissue: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Contrasts against the brain's spread, signal to noise of white matter, and noise from voxel to voxel."""
    where = np.flatnonzero(tissue)
    where = where[:: max(1, len(where) // SAMPLED)]
    values, own = image.ravel()[where].astype(np.float64), tissue.ravel()[where]
    spread = MAD * float(np.median(np.abs(values - np.median(values)))) or float(values.std()) or 1.0
    middle = {kind: _median(values[np.isin(own, kind)]) for kind in (FLUID, GREY, WHITE)}
    white = values[np.isin(own, WHITE)]
    off = MAD * _median(np.abs(white - middle[WHITE]))
    # Neighbours along the last axis within one tissue: what differs there is noise, or the blur of an interpolation.
    same = (tissue[:, :, 1:] == tissue[:, :, :-1]) & (tissue[:, :, 1:] == Tissue.WM)
    steps = np.abs(np.diff(image, axis=2)[same][:: max(1, int(same.sum()) // SAMPLED)])
    return {
        "contrast_fluid": (middle[FLUID] - middle[WHITE]) / spread,
        "contrast_grey": (middle[WHITE] - middle[GREY]) / spread,
        "snr": float(np.log((abs(middle[WHITE]) + 1e-9) / (off + 1e-9))),
        "noise": _median(steps.astype(np.float64)) / spread,
        "outside": float((values <= image.min()).mean()),
    }


def _slices(image: npt.NDArray[np.float32], tissue: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Slices without signal, jumps of brightness from slice to slice, and ends that a plane has cut.

    ``flat_end`` is the largest part of a brain's largest slice that its outermost slice of an axis has: a brain is
    round, so that it is small, unless the volume ends there or something was cut away.
    """
    blank, jumps, flat = [0.0], [0.0], [0.0]
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        brain = tissue > 0
        area = np.count_nonzero(brain, axis=others)
        total = np.where(brain, image, 0).sum(axis=others, dtype=np.float64)
        telling = area > TELLING_SLICE * area.max()
        mean = total[telling] / area[telling]
        level = float(np.median(mean)) or 1.0
        blank.append(float((np.abs(mean) < 0.1 * abs(level)).mean()))
        if len(mean) > 4:
            # Against the mean of both neighbours, so that a slope along the brain is no jump.
            jumps.append(float(np.percentile(np.abs(mean[1:-1] - (mean[:-2] + mean[2:]) / 2), 90) / abs(level)))
        flat += [float(area[0] / area.max()), float(area[-1] / area.max())]
    return {"blank_slices": max(blank), "slice_jumps": max(jumps), "flat_end": max(flat)}


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")
