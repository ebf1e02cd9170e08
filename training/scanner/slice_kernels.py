"""Compiled loops between a volume and slices that lie in it: cutting slices out, and spreading them back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]


@compiled
def _value(volume: Array, x: float, y: float, z: float) -> float:
    """Trilinear value at a position in voxels; beyond the border the border's value holds."""
    x = min(max(x, 0.0), volume.shape[2] - 1.0)
    y = min(max(y, 0.0), volume.shape[1] - 1.0)
    z = min(max(z, 0.0), volume.shape[0] - 1.0)
    i, j, k = min(int(x), volume.shape[2] - 2), min(int(y), volume.shape[1] - 2), min(int(z), volume.shape[0] - 2)
    u, v, w = x - i, y - j, z - k
    near = (volume[k, j, i] * (1 - u) + volume[k, j, i + 1] * u) * (1 - v) + (
        volume[k, j + 1, i] * (1 - u) + volume[k, j + 1, i + 1] * u
    ) * v
    far = (volume[k + 1, j, i] * (1 - u) + volume[k + 1, j, i + 1] * u) * (1 - v) + (
        volume[k + 1, j + 1, i] * (1 - u) + volume[k + 1, j + 1, i + 1] * u
    ) * v
    return near * (1 - w) + far * w


@compiled
def cut(volume: Array, maps: Array, offsets: Array, weights: Array, chosen: Array) -> Array:
    """Slices of a volume.

    Args:
        volume: (Z, Y, X) float32.
        maps: (n, 3, 4) float64, from (column, row, mm along the slice's normal, 1) to voxels (x, y, z).
        offsets: (K,) mm along the normal at which the profile is sampled.
        weights: (K,) of the profile.
        chosen: (n, rows, columns) bool; the others are left 0.

    Returns:
        (n, rows, columns) float32.
    """
    slices = np.zeros(chosen.shape, np.float32)
    for s in range(chosen.shape[0]):
        m = maps[s]
        for j in range(chosen.shape[1]):
            for i in range(chosen.shape[2]):
                if not chosen[s, j, i]:
                    continue
                x = m[0, 0] * i + m[0, 1] * j + m[0, 3]
                y = m[1, 0] * i + m[1, 1] * j + m[1, 3]
                z = m[2, 0] * i + m[2, 1] * j + m[2, 3]
                total = 0.0
                for k in range(len(offsets)):
                    o = offsets[k]
                    total += weights[k] * _value(volume, x + o * m[0, 2], y + o * m[1, 2], z + o * m[2, 2])
                slices[s, j, i] = total
    return slices


@compiled
def spread(
    slices: Array, maps: Array, offsets: Array, weights: Array, trust: Array, total: Array, weight: Array
) -> None:
    """Add slices to a volume in place, each pixel where its profile lies; the transpose of ``cut``.

    Args:
        slices: (n, rows, columns) float32.
        maps, offsets, weights: as in ``cut``.
        trust: (n, rows, columns) float32, weight of each pixel; those of 0 are left out.
        total: (Z, Y, X) float32, gets Σ weight · value.
        weight: (Z, Y, X) float32, gets Σ weight.
    """
    for s in range(slices.shape[0]):
        m = maps[s]
        for j in range(slices.shape[1]):
            for i in range(slices.shape[2]):
                if trust[s, j, i] == 0:
                    continue
                for o, share in zip(offsets, weights):  # noqa: B905 (numba knows no strict)
                    x = m[0, 0] * i + m[0, 1] * j + o * m[0, 2] + m[0, 3]
                    y = m[1, 0] * i + m[1, 1] * j + o * m[1, 2] + m[1, 3]
                    z = m[2, 0] * i + m[2, 1] * j + o * m[2, 2] + m[2, 3]
                    a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
                    if a < 0 or b < 0 or c < 0:
                        continue
                    if a > total.shape[2] - 2 or b > total.shape[1] - 2 or c > total.shape[0] - 2:
                        continue
                    u, v, w = x - a, y - b, z - c
                    for corner in range(8):
                        dz, dy, dx = corner >> 2, (corner >> 1) & 1, corner & 1
                        part = (w if dz else 1 - w) * (v if dy else 1 - v) * (u if dx else 1 - u)
                        part *= share * trust[s, j, i]
                        total[c + dz, b + dy, a + dx] += part * slices[s, j, i]
                        weight[c + dz, b + dy, a + dx] += part


@compiled
def diffuse(volume: Array, strength: float, edge: float) -> Array:
    """One step of diffusion that hardly crosses edges: each neighbour's pull is d / √(1 + (d / edge)²).

    A small ``edge`` flattens regions as total variation does, a large one blurs as Tikhonov's prior does.

    Args:
        volume: (Z, Y, X) float32.
        strength: share of the pull, below 1/6.
        edge: difference beyond which the pull no longer grows.
    """
    moved = volume.copy()
    nz, ny, nx = volume.shape
    for k in range(1, nz - 1):
        for j in range(1, ny - 1):
            for i in range(1, nx - 1):
                here, pull = volume[k, j, i], 0.0
                for d in (
                    volume[k - 1, j, i] - here,
                    volume[k + 1, j, i] - here,
                    volume[k, j - 1, i] - here,
                    volume[k, j + 1, i] - here,
                    volume[k, j, i - 1] - here,
                    volume[k, j, i + 1] - here,
                ):
                    pull += d / np.sqrt(1 + (d / edge) ** 2)
                moved[k, j, i] = here + strength * pull
    return moved


@compiled
def resampled(volume: Array, matrix: Array, nz: int, ny: int, nx: int) -> Array:
    """Trilinear resampling (nz, ny, nx) float32; the border's value beyond the border.

    Args:
        volume: (Z, Y, X) float32.
        matrix: (3, 4) from index (x, y, z) of the result to voxels (x, y, z) of the volume.
    """
    result = np.empty((nz, ny, nx), np.float32)
    m = matrix
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                x = m[0, 0] * i + m[0, 1] * j + m[0, 2] * k + m[0, 3]
                y = m[1, 0] * i + m[1, 1] * j + m[1, 2] * k + m[1, 3]
                z = m[2, 0] * i + m[2, 1] * j + m[2, 2] * k + m[2, 3]
                result[k, j, i] = _value(volume, x, y, z)
    return result
