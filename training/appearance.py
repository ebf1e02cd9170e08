"""What a T2-weighted volume of a labelled head looks like at a site.

Works on any label map, whatever anatomy it came from. Arrays (z, y, x); lengths in mm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from feta.labels import LABEL_COUNT, Tissue
from training.sites import Site

Image = npt.NDArray[np.float32]

#: Mean T2w intensity of each tissue against fluid, as in reconstructions of healthy fetuses.
_MEANS = {
    Tissue.ECSF: 0.96,
    Tissue.GM: 0.52,
    Tissue.WM: 0.70,
    Tissue.VM: 1.00,
    Tissue.CBM: 0.63,
    Tissue.SGM: 0.59,
    Tissue.BSM: 0.54,
}
#: Outside the brain: bone, scalp, the mother's tissue, amniotic fluid.
_BONE, _SCALP, _MOTHER, _FLUID = 0.22, 0.55, 0.40, 1.05
_BONE_MM, _SCALP_MM = 2.2, 4.0
#: Brightest tissue of a stored volume, before the site's gain.
_GAIN = 1000.0


def draw_image(
    labels: npt.NDArray[np.uint8], site: Site, age: float, quality: float, rng: np.random.Generator
) -> Image:
    """A T2w volume of a label map.

    Args:
        labels: (z, y, x) uint8, isotropic voxels of the site's size.
        site: how it was scanned.
        age: weeks; the young brain's layers are more distinct.
        quality: 0–4; noise and blur grow as it falls.
        rng: the image depends on nothing else that is random.

    Returns:
        (z, y, x) float32, whole numbers, 0 or more.
    """
    voxel = site.voxel
    # A tear in the fluid, which the truth's topology may need, is fluid to the scanner.
    head = ndimage.binary_closing(np.pad(labels > 0, 3), iterations=2)[3:-3, 3:-3, 3:-3]
    whole = np.where(head & (labels == 0), np.uint8(Tissue.ECSF), labels)
    image = _tissues(whole, age, voxel, rng) ** np.float32(site.contrast)
    if not site.masked:
        image = np.where(head, image, _surroundings(head, voxel, rng))
    worse = 1 + 0.25 * (4 - quality)
    image = ndimage.gaussian_filter(image, site.blur * worse**0.5 / voxel, truncate=3.0)
    image *= _shading(labels.shape, site.bias, rng)
    image = _rician(image, site.noise * worse, rng)
    if site.masked:
        image *= ndimage.binary_dilation(head, iterations=2) | _islands(head, site.stray, voxel, rng)
    return np.round(image * np.float32(_GAIN * rng.uniform(0.7, 1.4)))


def _tissues(labels: npt.NDArray[np.uint8], age: float, voxel: float, rng: np.random.Generator) -> Image:
    """Intensities of the brain, with the layers of the fetal white matter and a fine texture."""
    means = np.zeros(LABEL_COUNT, np.float32)
    for tissue, mean in _MEANS.items():
        means[tissue] = mean * rng.normal(1, 0.03)
    image = means[labels]
    young = float(np.clip((34 - age) / 12, 0.2, 1.0))
    white = labels == Tissue.WM
    from_cortex = _distance(labels == Tissue.GM, voxel)
    from_ventricle = _distance(labels == Tissue.VM, voxel)
    subplate = np.exp(-(((from_cortex - 2.5) / 2.0) ** 2)) * 0.10 * young
    matrix = -0.22 * young * np.exp(-from_ventricle / 1.0) - 0.06 * np.clip((from_cortex - 6) / 4, 0, 1)
    image[white] *= 1 + subplate[white] + matrix[white]
    rim = labels == Tissue.CBM
    image[rim] *= 1 - 0.15 * np.exp(-_distance(labels != Tissue.CBM, voxel)[rim] / 1.2)
    return image * (1 + np.float32(0.04) * _smooth_noise(labels.shape, 1.6 / voxel, rng))


def _surroundings(head: npt.NDArray[np.bool_], voxel: float, rng: np.random.Generator) -> Image:
    """Bone, scalp, and beyond them amniotic fluid or the mother."""
    away = _distance(head, voxel) + 0.6 * _smooth_noise(head.shape, 6 / voxel, rng)
    beyond = np.where(_smooth_noise(head.shape, 14 / voxel, rng) > 0.1, np.float32(_FLUID), np.float32(_MOTHER))
    beyond *= 1 + np.float32(0.08) * _smooth_noise(head.shape, 3 / voxel, rng)
    scalp = np.where(away < _BONE_MM + _SCALP_MM, np.float32(_SCALP), beyond)
    return np.where(away < _BONE_MM, np.float32(_BONE), scalp)


def _distance(mask: npt.NDArray[np.bool_], voxel: float) -> Image:
    """Distance of each voxel from a mask, mm; 0 inside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=False)
    return np.maximum(sitk.GetArrayFromImage(distance), 0) * np.float32(voxel)


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Image:
    """Random field of mean 0 and standard deviation 1, smooth over ``sigma`` voxels.

    Drawn on a coarser lattice where it is smooth enough for that.
    """
    step = max(1, int(sigma / 1.5))
    coarse = rng.standard_normal([-(-n // step) + 4 for n in shape], dtype=np.float32)
    coarse = ndimage.gaussian_filter(coarse, sigma / step, truncate=3.0)
    coarse /= coarse.std()
    if step == 1:
        return np.ascontiguousarray(coarse[tuple(slice(2, 2 + n) for n in shape)])
    fine = ndimage.zoom(coarse, step, order=1)
    return np.ascontiguousarray(fine[tuple(slice(step, step + n) for n in shape)])


def _shading(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Image:
    """Multiplicative shading: the exponential of a random quadratic of the position."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    terms = [x, y, z, x * y, y * z, x * z, x * x, y * y, z * z]
    total = np.zeros(shape, np.float32)
    for term in terms:
        total += np.float32(rng.normal()) * term
    return np.exp(np.float32(strength / 2) * total)


def _rician(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Magnitude of the image with complex Gaussian noise."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real**2 + imaginary**2)


def _islands(head: npt.NDArray[np.bool_], count: int, voxel: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Small balls outside the head, where masking left something over."""
    islands = np.zeros(head.shape, bool)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in head.shape)]
    for _ in range(count):
        centre = rng.uniform(0.05, 0.95, 3) * head.shape
        radius = rng.uniform(2, 5) / voxel
        islands |= (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2
    return islands & ~head
