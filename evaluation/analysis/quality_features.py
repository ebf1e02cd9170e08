"""What a volume and its label map say about image quality, defined as in a public table of rated volumes.

The definitions are those of FetMRQC_SR (Sanchez et al. 2025, "Automatic quality control in multi-centric fetal brain
MRI super-resolution reconstruction"; Apache-2.0), which published such statistics beside quality ratings: the volume
without its background, clipped to its 0.5th and 99.5th percentiles and scaled to 0–1, resampled to 0.8 mm, then
statistics of each tissue after its labels have been put together. Only features that do not depend on a scale are
used, and none that depends on the brain mask: a label map covers about 12 % less than theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from feta.errors import FetaError
from feta.labels import Tissue
from feta.volumes import Volume

SPACING_MM = 0.8
CLIPPED = (0.5, 99.5)
#: Ventricles count as CSF, deep grey matter as grey matter.
MERGED: dict[str, tuple[Tissue, ...]] = {
    "CSF": (Tissue.ECSF, Tissue.VM),
    "GM": (Tissue.GM, Tissue.SGM),
    "WM": (Tissue.WM,),
    "BS": (Tissue.BSM,),
    "CBM": (Tissue.CBM,),
}
#: A tissue with fewer voxels of 0.8 mm has no statistics.
FEWEST_VOXELS = 10
#: Median absolute deviation of a normal distribution of standard deviation 1.
NORMAL_MAD = 0.6744897501960817
FEATURES = ("cnr", "csf_cnr", "bs_mad", "cbm_mad", "log_csf_wm")
#: In place of a logarithm's argument that isn't above it.
TINY = 1e-3
#: Tissue → "median", "stdv", "mad".
Statistics = Mapping[str, Mapping[str, float]]


def quality_features(image: Volume, labels: Volume) -> npt.NDArray[np.float64]:
    """(5,) float64 in the order of FEATURES.

    Args:
        image: intensities (z, y, x), any scale; what is not brain is ignored.
        labels: (z, y, x) label map 0–7 on the same grid.

    Raises:
        FetaError: a tissue is missing from the label map, or the image is of one value.
    """
    return features_of(tissue_statistics(image, labels))


def features_of(stats: Statistics) -> npt.NDArray[np.float64]:
    """(5,) float64 from each tissue's median, standard deviation and MAD.

    CNR = (median WM − median GM) / √(sd² WM + sd² GM), with its sign, since grey matter brighter than white is a bad
    sign; likewise for CSF and GM; MAD over standard deviation (small where few voxels stand out, as in a sharp volume)
    of brainstem and cerebellum; logarithm of median CSF over median WM.
    """
    csf, gm, wm, bs, cbm = (stats[tissue] for tissue in MERGED)
    return np.array(
        [
            (wm["median"] - gm["median"]) / max(float(np.hypot(wm["stdv"], gm["stdv"])), TINY),
            (csf["median"] - gm["median"]) / max(float(np.hypot(csf["stdv"], gm["stdv"])), TINY),
            bs["mad"] / max(bs["stdv"], TINY),
            cbm["mad"] / max(cbm["stdv"], TINY),
            float(np.log(max(csf["median"], TINY) / max(wm["median"], TINY))),
        ]
    )


def tissue_statistics(image: Volume, labels: Volume) -> dict[str, dict[str, float]]:
    """Median, standard deviation and MAD (of a normal distribution: its standard deviation) of each merged tissue.

    Raises:
        FetaError: see ``quality_features``.
    """
    intensity, tissue = _prepared(image, labels)
    stats = {}
    for name, members in MERGED.items():
        values = intensity[np.isin(tissue, members)].astype(np.float64)
        if len(values) < FEWEST_VOXELS:
            raise FetaError("image quality", f"the label map holds {len(values)} voxels of {name}", "none is estimated")
        median = float(np.median(values))
        mad = float(np.median(np.abs(values - median))) / NORMAL_MAD
        stats[name] = {"median": median, "stdv": float(values.std()), "mad": mad}
    return stats


def _prepared(image: Volume, labels: Volume) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Scaled intensities and labels (z, y, x) at 0.8 mm, along the volume's own axes."""
    brain = np.where(labels.array > 0, image.array, np.float32(0))
    low, high = np.percentile(brain, CLIPPED)
    if not high > low:
        raise FetaError("image quality", "the volume is of one value inside the brain", "none is estimated")
    scaled = np.clip((brain - low) / (high - low), 0, 1).astype(np.float32)
    box = tuple(slice(int(a.min()), int(a.max()) + 1) for a in np.nonzero(labels.array))
    spacing = image.grid.spacing
    # Cubic splines for intensities, nearest neighbours for labels, as in the published table.
    return (
        _resampled(scaled[box], spacing, sitk.sitkBSpline),
        _resampled(labels.array[box].astype(np.uint8), spacing, sitk.sitkNearestNeighbor),
    )


def _resampled(array: npt.NDArray, spacing: tuple[float, float, float], interpolator: int) -> npt.NDArray:
    volume = sitk.GetImageFromArray(array)
    volume.SetSpacing(spacing)
    size = [max(1, round((n - 1) * s / SPACING_MM) + 1) for n, s in zip(volume.GetSize(), spacing, strict=True)]
    grid = (sitk.Transform(), interpolator, volume.GetOrigin(), (SPACING_MM,) * 3, volume.GetDirection())
    return sitk.GetArrayFromImage(sitk.Resample(volume, size, *grid, 0.0, volume.GetPixelID()))
