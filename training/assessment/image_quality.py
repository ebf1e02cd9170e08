"""Statistics of a T2w volume by tissue, as FetMRQC_SR measures them, so that simulated and real volumes compare.

Definitions: Sanchez et al., "Automatic quality control in multi-centric fetal brain MRI super-resolution
reconstruction" (2025), after MRIQC (Esteban et al., PLoS ONE 2017). Ventricles count as fluid, deep grey
matter as grey matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from feta.labels import Tissue
from feta.volumes import Volume
from training.imaging.random_fields import Image, stretched

#: What the tissues are called there.
CLASSES = {
    "CSF": (Tissue.ECSF, Tissue.VM),
    "GM": (Tissue.GM, Tissue.SGM),
    "WM": (Tissue.WM,),
    "BS": (Tissue.BSM,),
    "CBM": (Tissue.CBM,),
}
#: Volumes are compared at this spacing, mm, cropped to the brain and this much around it.
_SPACING, _MARGIN = 0.8, 5.0
#: Percentiles of the masked volume that become 0 and 1.
_LOW, _HIGH = 0.5, 99.5
#: From a median absolute deviation to a standard deviation.
_MAD = 1 / stats.norm.ppf(0.75)


def image_quality(image: Volume, labels: Volume) -> dict[str, float]:
    """Statistics by the names of FetMRQC_SR's columns.

    Args:
        image: T2w volume.
        labels: its label map, on the same grid; every tissue must be there.
    """
    values, classes = _prepared(image, labels)
    brain = values[classes > 0]
    found = {"mean": float(brain.mean()), "std": float(brain.std()), "median": float(np.median(brain))}
    found |= {f"percentile_{q}": float(np.percentile(brain, q)) for q in (5, 95)}
    # Both filters' departure from the image, as there.
    found["filter_laplace"] = float(np.abs(-ndimage.laplace(values) - values).mean())
    found["filter_sobel"] = float(np.abs(_sobel(values) - values).mean())
    for i, name in enumerate(CLASSES, start=1):
        found |= {f"seg_sstats_{name}_{key}": value for key, value in _summary(values[classes == i]).items()}
        found[f"seg_snr_{name}"] = found[f"seg_sstats_{name}_median"] / found[f"seg_sstats_{name}_stdv"]
    found["seg_snr_total"] = float(np.mean([found[f"seg_snr_{name}"] for name in CLASSES]))
    gap = abs(found["seg_sstats_WM_median"] - found["seg_sstats_GM_median"])
    found["seg_cnr"] = gap / float(np.hypot(found["seg_sstats_WM_stdv"], found["seg_sstats_GM_stdv"]))
    found["seg_cjv"] = (found["seg_sstats_WM_mad"] + found["seg_sstats_GM_mad"]) / max(gap, 1e-6)
    return found


def _prepared(image: Volume, labels: Volume) -> tuple[Image, npt.NDArray[np.uint8]]:
    """The masked image between 0 and 1, and classes 1–5, both at the common spacing and cropped."""
    kinds = np.zeros(256, np.uint8)
    for i, tissues in enumerate(CLASSES.values(), start=1):
        kinds[list(tissues)] = i
    classes = kinds[labels.array]
    masked = np.where(classes > 0, image.array, np.float32(0))
    low, high = np.percentile(masked, [_LOW, _HIGH])
    scaled = np.clip((masked - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    spacing = np.array(image.grid.spacing[::-1])
    found = ndimage.find_objects((classes > 0).astype(np.uint8))[0]
    places = []
    for part, step, count in zip(found, spacing, classes.shape, strict=True):
        first, last = max(part.start - _MARGIN / step, 0), min(part.stop + _MARGIN / step, count - 1)
        places.append(np.arange(first, last, _SPACING / step))
    nearest = np.ix_(*(np.rint(p).astype(int) for p in places))
    return np.clip(stretched(scaled, tuple(places), cubic=True), 0, 1), classes[nearest]


def _summary(values: Image) -> dict[str, float]:
    median = float(np.median(values))
    return {
        "mean": float(values.mean()),
        "median": median,
        "p05": float(np.percentile(values, 5)),
        "p95": float(np.percentile(values, 95)),
        "k": float(stats.kurtosis(values)),
        "stdv": float(values.std()),
        "mad": float(_MAD * np.median(np.abs(values - median))),
    }


def _sobel(values: Image) -> Image:
    """Root mean square over the axes of the difference across each, smoothed along the others."""
    total = np.zeros_like(values)
    for axis in range(3):
        edge = ndimage.correlate1d(values, [1.0, 0.0, -1.0], axis)
        for other in range(3):
            if other != axis:
                edge = ndimage.correlate1d(edge, [0.25, 0.5, 0.25], other)
        total += edge**2
    return np.asarray(np.sqrt(total / 3), np.float32)
