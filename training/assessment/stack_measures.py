"""What a raw stack of slices shows of its scanner: noise, shading, brightness from slice to slice, slice profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from feta.volumes import Volume
from training.assessment.resampling import SD_TO_FWHM
from training.imaging.fluid import fluid_intensity

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
#: Fluid is brighter than this share of its intensity.
FLUID_SHARE = 0.7
#: Median of the absolute value of a normal variable with standard deviation 1.
_MEDIAN_OF_NORMAL = 0.6745
#: Immerkær's kernel (Computer Vision and Image Understanding 64:300, 1996) answers to no edge or ramp along an axis;
#: white noise comes out 6 times as strong.
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
#: Voxels fewer than this give no figure.
_FEWEST = 200
#: Widths (mm, full width at half maximum) of slice profiles that are compared with the stack.
_PROFILES = np.arange(0.0, 10.01, 1.0)
#: Before correlations are compared, what is wider than this (mm, standard deviation) is taken off.
_HIGH_PASS_MM = 8.0
#: N4 runs on a grid this many times as coarse in the slice.
_SHRUNK = 4


@dataclass(frozen=True)
class StackMeasures:
    """Figures of one stack; NaN where too little of it can be used.

    Attributes:
        in_plane: pixel, mm.
        spacing: from slice to slice, mm.
        fluid: intensity of fluid.
        noise: standard deviation of the noise in fluid, as a share of the fluid's intensity.
        whiteness: noise by the Laplacian against that by first differences; below 1 where neighbours share noise.
        shading: standard deviation of the logarithm of the shading near the head.
        fluctuation: standard deviation of the logarithm of a slice's brightness about its neighbours'.
        dark: share of the slices that near the head are darker than their neighbours by more than 15 %.
        profile: full width at half maximum (mm) of the Gaussian slice profile by which slices are as alike as they are.
    """

    in_plane: float
    spacing: float
    fluid: float
    noise: float
    whiteness: float
    shading: float
    fluctuation: float
    dark: float
    profile: float


def measure_stack(stack: Volume, near: Mask) -> StackMeasures:
    """Measure a stack.

    Args:
        stack: (slices, rows, columns), its slices along the first axis.
        near: likewise, not empty; the head and what is around it.
    """
    x, _, z = stack.grid.spacing
    (box,) = ndimage.find_objects(near.astype(np.uint8))  # what lies far off costs time alone
    image, near = stack.array[box].astype(np.float32), near[box]
    fluid = fluid_intensity(image[near])
    wet = near & (image > FLUID_SHARE * fluid)
    laplacian, difference = noise(image, wet)
    changes = brightness_changes(image, near)
    spread = _MEDIAN_OF_NORMAL * np.sqrt(1.5)  # a slice's own, and the mean of two neighbours'
    return StackMeasures(
        in_plane=x,
        spacing=z,
        fluid=fluid,
        noise=laplacian / fluid,
        whiteness=laplacian / difference if difference > 0 else float("nan"),
        shading=shading(image, near),
        fluctuation=float(np.median(np.abs(changes)) / spread) if len(changes) else float("nan"),
        dark=float(np.mean(changes < np.log(0.85))) if len(changes) else float("nan"),
        profile=slice_profile(image, near, x, z),
    )


def noise(image: Array, where: Mask) -> tuple[float, float]:
    """Standard deviation of the noise, by the Laplacian in each slice and by first differences along its rows.

    Both are robust (median of absolute values), and use voxels whose neighbours in the slice lie in the mask, too.

    Args:
        image: (slices, rows, columns).
        where: likewise, what is alike but for noise.
    """
    inner = ndimage.binary_erosion(where, np.ones((1, 3, 3)))
    if inner.sum() < _FEWEST:
        return float("nan"), float("nan")
    laplacian = ndimage.convolve(image, _LAPLACIAN[None], mode="nearest")[inner]
    difference = ndimage.convolve1d(image, [1.0, -1.0], axis=2, mode="nearest")[inner]
    by = [np.median(np.abs(each - np.median(each))) / _MEDIAN_OF_NORMAL for each in (laplacian, difference)]
    return float(by[0] / 6), float(by[1] / np.sqrt(2))


def brightness_changes(image: Array, near: Mask) -> npt.NDArray[np.float64]:
    """Logarithm of each slice's brightness against the mean of its neighbours', of the slices that have two.

    Voxels count that lie near the head in all three: what fills the slices changes less than how bright they are.
    """
    found = []
    for k in range(1, len(image) - 1):
        common = near[k - 1] & near[k] & near[k + 1]
        if common.sum() >= _FEWEST:
            before, here, after = (float(image[i][common].mean()) for i in (k - 1, k, k + 1))
            if min(before, here, after) > 0:
                found.append(np.log(here) - (np.log(before) + np.log(after)) / 2)
    return np.array(found)


def shading(image: Array, near: Mask) -> float:
    """Standard deviation of the logarithm of the shading near the head, as N4 finds it (SimpleITK).

    N4 takes slow contrast of anatomy for shading, too: an upper bound.
    """
    if (near & (image > 0)).sum() < _FEWEST:
        return float("nan")
    size = [max(8, image.shape[2] // _SHRUNK), max(8, image.shape[1] // _SHRUNK), image.shape[0]]
    zoom = [n / m for n, m in zip(size[::-1], image.shape, strict=True)]
    small = ndimage.zoom(image, zoom, order=1, grid_mode=True, mode="nearest")
    mask = ndimage.zoom(near.astype(np.uint8), zoom, order=0, grid_mode=True, mode="nearest") > 0
    mask &= small > 0
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([30, 30, 30])
    corrector.Execute(sitk.GetImageFromArray(small), sitk.GetImageFromArray(mask.astype(np.uint8)))
    field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(sitk.GetImageFromArray(small)))
    return float(field[mask].std())


def slice_profile(image: Array, near: Mask, in_plane: float, spacing: float) -> float:
    """Width (mm) of the slice profile, from how much alike neighbouring slices are; NaN where they tell nothing.

    Anatomy has no preferred axis: blurred along a row by a profile, voxels as far apart in a row as slices are must be
    as much alike as neighbouring slices. Motion between slices makes them differ and the result too small, a lower
    bound; it ends with the widths that are tried.

    Args:
        image: (slices, rows, columns).
        near: likewise, what is compared.
        in_plane: pixel, mm.
        spacing: from slice to slice, mm.
    """
    # Along the columns alone: neither axis that is compared loses what is wide.
    detail = image - ndimage.gaussian_filter1d(image, _HIGH_PASS_MM / in_plane, axis=1)
    pairs = near[1:] & near[:-1]
    if pairs.sum() < _FEWEST or not detail[near].any():
        return float("nan")
    across = _correlation(detail[1:][pairs], detail[:-1][pairs])
    step = spacing / in_plane
    inside = ndimage.binary_erosion(near, np.ones((1, 1, 2 * int(np.ceil(step)) + 1)))
    alike = []
    for width in _PROFILES:
        blurred = ndimage.gaussian_filter1d(detail, max(width / SD_TO_FWHM / in_plane, 1e-6), axis=2)
        moved = ndimage.shift(blurred, (0, 0, step), order=3, mode="nearest")
        alike.append(_correlation(blurred[inside], moved[inside]))
    return float(np.interp(across, np.maximum.accumulate(alike), _PROFILES))


def _correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a, b)[0, 1])
