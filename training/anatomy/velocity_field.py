"""Smooth deformations that keep topology: flows along stationary velocity fields.

A flow is a diffeomorphism whatever the field, and its inverse is the flow backwards in time (Arsigny et al.,
MICCAI 2006). Fields live on a coarse lattice; points are advected by integrating, never by inverting a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from training.anatomy.kernels import flow
from training.imaging.lattice import Lattice

Points = npt.NDArray[np.float64]
Field = npt.NDArray[np.float64]

#: Steps of the integration from time 0 to 1.
STEPS = 8
#: Half the distance (voxels of the lattice) over which derivatives of a flow are taken.
_STENCIL = 0.25


@dataclass(frozen=True)
class Deformation:
    """The flow of a velocity field from time 0 to 1.

    Attributes:
        lattice: where the field's samples lie; beyond it the field is as on its border.
        velocity: (Z, Y, X, 3) mm a unit of time, (x, y, z).
    """

    lattice: Lattice
    velocity: Field

    def warp(self, points: Points, time: float = 1.0) -> Points:
        """Points (N, 3), mm, after the flow; ``time`` −1 is its inverse."""
        velocity = np.ascontiguousarray(self.velocity / self.lattice.spacing)
        moved = flow(velocity, self.lattice.index(points), time, STEPS)
        return moved * self.lattice.spacing + self.lattice.origin

    def volume_change(self, points: Points) -> npt.NDArray[np.float64]:
        """Determinant (N,) of the flow's derivative at points (N, 3), mm: how much the tissue there grows."""
        h = _STENCIL * self.lattice.spacing
        offsets = np.concatenate([np.eye(3), -np.eye(3)]) * h
        warped = self.warp((points[:, None] + offsets).reshape(-1, 3)).reshape(-1, 6, 3)
        return np.linalg.det((warped[:, :3] - warped[:, 3:]) / (2 * h))


def determinants(positions: Field, spacing: float) -> npt.NDArray[np.float64]:
    """Determinant of the derivative of a map (Z, Y, X, 3) that is sampled ``spacing`` mm apart, at each cell."""
    inner = positions[:-1, :-1, :-1]
    steps = [positions[:-1, :-1, 1:], positions[:-1, 1:, :-1], positions[1:, :-1, :-1]]
    return np.linalg.det(np.stack([s - inner for s in steps], axis=-1) / spacing)


def random_velocity(
    rng: np.random.Generator, lattice: Lattice, widths: tuple[float, ...], amplitudes: tuple[float, ...]
) -> Field:
    """A smooth random field.

    Args:
        rng: the source.
        lattice: where it is sampled.
        widths: standard deviation of the smoothing of each of its parts, mm.
        amplitudes: standard deviation of each part, mm along each axis.

    Returns:
        (Z, Y, X, 3) mm a unit of time.
    """
    total = np.zeros((*lattice.shape, 3))
    for width, amplitude in zip(widths, amplitudes, strict=True):
        sigma = width / lattice.spacing
        # Drawn on a larger lattice: at a border that reflects, the noise would be stronger than inside.
        margin = int(np.ceil(2 * sigma))
        noise = rng.standard_normal((3, *(n + 2 * margin for n in lattice.shape)))
        inner = tuple(slice(margin, -margin) for _ in range(3))
        # Smoothed white noise of unit variance has the variance (4πσ²)^(−3/2).
        gain = amplitude * (4 * np.pi * sigma**2) ** 0.75
        for axis in range(3):
            total[..., axis] += gain * gaussian_filter(noise[axis], sigma, truncate=3.0)[inner]
    return total


def swelling_velocity(lattice: Lattice, source: Field) -> Field:
    """The field without curl that has a given divergence, and crosses the lattice's border nowhere.

    Args:
        lattice: where it is sampled.
        source: (Z, Y, X) divergence; its mean is taken off.

    Returns:
        (Z, Y, X, 3) mm a unit of time.
    """
    waves = [np.cos(np.pi * np.arange(n) / n) - 1 for n in lattice.shape]
    eigenvalues = 2 * (waves[0][:, None, None] + waves[1][:, None] + waves[2]) / lattice.spacing**2
    eigenvalues[0, 0, 0] = 1.0
    spectrum = dctn(source - source.mean()) / eigenvalues
    spectrum[0, 0, 0] = 0.0
    return gradient(np.asarray(idctn(spectrum)), lattice.spacing)


def gradient(values: Field, spacing: float) -> Field:
    """Slopes (Z, Y, X, 3) along (x, y, z) of values (Z, Y, X) that are sampled ``spacing`` mm apart."""
    return np.stack([np.gradient(values, spacing, axis=axis) for axis in (2, 1, 0)], axis=-1)
