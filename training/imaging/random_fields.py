"""Random fields, and stretching of arrays from a coarse lattice to a fine one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

Image = npt.NDArray[np.float32]


def stretched(image: Image, targets: tuple[npt.NDArray[np.floating], ...], cubic: bool) -> Image:
    """Interpolate at the crossings of given places along each axis; beyond the border the border's value holds.

    Args:
        image: (Z, Y, X) float32.
        targets: positions in voxels of ``image`` along z, y and x.
        cubic: by cubic convolution (Keys, 1981), which overshoots at edges, or else linearly.

    Returns:
        float32, as long along each axis as its targets.
    """
    for axis, places in enumerate(targets):
        matrix = _weights(image.shape[axis], np.asarray(places, np.float64), cubic)
        front = np.moveaxis(image, axis, 0)
        flat = matrix @ np.ascontiguousarray(front).reshape(front.shape[0], -1)
        image = np.moveaxis(flat.reshape(len(places), *front.shape[1:]), 0, axis)
    return np.ascontiguousarray(image)


def _weights(count: int, places: npt.NDArray[np.float64], cubic: bool) -> sparse.csr_array:
    """(places, count) float32 matrix of interpolation weights."""
    low = np.floor(places).astype(int)
    t = places - low
    steps, shares = [0, 1], [1 - t, t]
    if cubic:
        steps = [-1, 0, 1, 2]
        shares = [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ]
    rows = np.tile(np.arange(len(places)), len(steps))
    columns = np.concatenate([np.clip(low + step, 0, count - 1) for step in steps])
    values = np.concatenate(shares).astype(np.float32)
    return sparse.csr_array((values, (rows, columns)), shape=(len(places), count))


def smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Image:
    """Random field (float32) of about mean 0 and standard deviation 1, smooth over ``sigma`` voxels.

    Drawn on a coarser lattice where it is smooth enough for that.
    """
    step = max(1.0, sigma / 1.5)
    coarse = rng.standard_normal([int(np.ceil(n / step)) + 8 for n in shape], dtype=np.float32)
    coarse = ndimage.gaussian_filter(coarse, sigma / step, truncate=3.0)
    coarse /= max(float(coarse.std()), 1e-6)
    return stretched(coarse, tuple(3.5 + np.arange(n) / step for n in shape), cubic=False)


def shading(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Image:
    """Multiplicative shading (z, y, x): the exponential of a random quadratic of the position, as coils leave it."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    total = np.zeros(shape, np.float32)
    for term in (x, y, z, x * y, y * z, x * z, x * x, y * y, z * z):
        total += np.float32(rng.normal()) * term
    return np.exp(np.float32(strength / 2) * total)


def rician(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Magnitude of an image with complex Gaussian noise."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real**2 + imaginary**2)
