"""Compiled loops between a volume and slices that lie in it: cutting slices out, and spreading them back.

Pixels are taken in blocks: places and weights of a block are computed side by side, in vector registers, and only the
volume is read and written one after the other. Each number is rounded as by the plain loop over pixels, and each voxel
gets its parts in that loop's order, so that a seed's cohort keeps its bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled, inlined

Array = npt.NDArray[Any]
#: Pixels of a block: as many as fit the first cache with all that is computed of them.
_CUT, _SPREAD = 64, 32
#: In place of a voxel: beyond the volume.
_BEYOND = np.uint32(0xFFFFFFFF)


@inlined
def _take(wanted: Array, pixel: int, places: Array) -> tuple[int, int]:
    """Fill a block with the next pixels that are wanted; returns how many, and the pixel to go on from."""
    count = 0
    while count < len(places) and pixel < len(wanted):
        places[count] = pixel
        count += wanted[pixel] != 0
        pixel += 1
    return count, pixel


@inlined
def _add_sample(
    volume: Array,
    start: Array,
    shift: tuple[float, float, float],
    weight: float,
    count: int,
    work: Array,
    voxel: Array,
    near: Array,
) -> None:
    """Add what a block's pixels see at one offset of the profile, trilinearly, to ``work[0]``.

    Args:
        volume: (Z, Y, X) float32; beyond the border the border's value holds.
        start: (3, block) positions (x, y, z) of the pixels, voxels.
        shift: (x, y, z) by which the sample lies off them.
        weight: of the sample.
        count: pixels of the block that are filled.
        work: (4, block) float64: the sums, and room for the shares of the upper neighbours.
        voxel: (block,) uint32, room for the lower neighbours.
        near: (8, block) float32, room for the neighbours' values.
    """
    nz, ny, nx = volume.shape
    flat, row, plane, one = volume.reshape(-1), np.uint32(nx), np.uint32(nx * ny), np.uint32(1)
    for p in range(_CUT):
        x = min(max(start[0, p] + shift[0], 0.0), nx - 1.0)
        y = min(max(start[1, p] + shift[1], 0.0), ny - 1.0)
        z = min(max(start[2, p] + shift[2], 0.0), nz - 1.0)
        i, j, k = (
            min(np.int32(x), np.int32(nx - 2)),
            min(np.int32(y), np.int32(ny - 2)),
            min(np.int32(z), np.int32(nz - 2)),
        )
        work[1, p], work[2, p], work[3, p] = x - i, y - j, z - k
        voxel[p] = np.uint32(k) * plane + np.uint32(j) * row + np.uint32(i)
    for p in range(count):
        v = voxel[p]
        near[0, p], near[1, p], near[2, p], near[3, p] = flat[v], flat[v + one], flat[v + row], flat[v + row + one]
        v += plane
        near[4, p], near[5, p], near[6, p], near[7, p] = flat[v], flat[v + one], flat[v + row], flat[v + row + one]
    for p in range(_CUT):
        u, v, w = work[1, p], work[2, p], work[3, p]
        low = (near[0, p] * (1 - u) + near[1, p] * u) * (1 - v) + (near[2, p] * (1 - u) + near[3, p] * u) * v
        high = (near[4, p] * (1 - u) + near[5, p] * u) * (1 - v) + (near[6, p] * (1 - u) + near[7, p] * u) * v
        work[0, p] += weight * (low * (1 - w) + high * w)


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
    columns = chosen.shape[2]
    places, start = np.zeros(_CUT, np.int64), np.zeros((3, _CUT))
    work, voxel, near = np.zeros((4, _CUT)), np.zeros(_CUT, np.uint32), np.zeros((8, _CUT), np.float32)
    for s in range(len(chosen)):
        m, wanted, values, pixel = maps[s], chosen[s].reshape(-1), slices[s].reshape(-1), 0
        while pixel < len(wanted):
            count, pixel = _take(wanted, pixel, places)
            for p in range(count):
                j, i = places[p] // columns, places[p] % columns
                for axis in range(3):
                    start[axis, p] = m[axis, 0] * i + m[axis, 1] * j + m[axis, 3]
            work[0] = 0.0
            for o in range(len(offsets)):
                shift = (offsets[o] * m[0, 2], offsets[o] * m[1, 2], offsets[o] * m[2, 2])
                _add_sample(volume, start, shift, weights[o], count, work, voxel, near)
            for p in range(count):
                values[places[p]] = work[0, p]
    return slices


@inlined
def _weigh(
    shape: tuple[int, int, int], start: Array, m: Array, offset: float, share: float, voxel: Array, parts: Array
) -> None:
    """What each of a sample's eight neighbours gets, for a block of pixels.

    Args:
        shape: of the volume, (Z, Y, X).
        start: (4, block): columns and rows in voxels (x, y, z), then the pixels' trust.
        m: (3, 4), the slice's map.
        offset: mm along the normal.
        share: of the profile.
        voxel: (block,) uint32, gets the sample's lower neighbour.
        parts: (8, block) float64, gets the weights.
    """
    nz, ny, nx = shape
    for p in range(_SPREAD):
        x = start[0, p] + offset * m[0, 2] + m[0, 3]
        y = start[1, p] + offset * m[1, 2] + m[1, 3]
        z = start[2, p] + offset * m[2, 2] + m[2, 3]
        i, j, k = np.floor(x), np.floor(y), np.floor(z)
        within = (i >= 0) & (j >= 0) & (k >= 0) & (i <= nx - 2) & (j <= ny - 2) & (k <= nz - 2)
        lower = np.uint32((np.int32(k) * ny + np.int32(j)) * nx + np.int32(i))
        voxel[p] = lower if within else _BEYOND
        u, v, w, weight = x - i, y - j, z - k, share * start[3, p]
        parts[0, p], parts[1, p] = (1 - w) * (1 - v) * (1 - u) * weight, (1 - w) * (1 - v) * u * weight
        parts[2, p], parts[3, p] = (1 - w) * v * (1 - u) * weight, (1 - w) * v * u * weight
        parts[4, p], parts[5, p] = w * (1 - v) * (1 - u) * weight, w * (1 - v) * u * weight
        parts[6, p], parts[7, p] = w * v * (1 - u) * weight, w * v * u * weight


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
        weight: (Z, Y, X) float32, gets Σ weight; an empty array where nobody asks for it.
    """
    columns, shape = trust.shape[2], total.shape
    sums, seen, weighs = total.reshape(-1), weight.reshape(-1), weight.size > 0
    row, plane, one = shape[2], shape[2] * shape[1], np.uint32(1)
    steps = np.array([0, row, plane, plane + row], np.uint32)
    places, start = np.zeros(_SPREAD, np.int64), np.zeros((4, _SPREAD))
    voxel, parts = np.zeros((len(offsets), _SPREAD), np.uint32), np.zeros((len(offsets), 8, _SPREAD))
    for s in range(len(slices)):
        m, wanted, values, pixel = maps[s], trust[s].reshape(-1), slices[s].reshape(-1), 0
        while pixel < len(wanted):
            count, pixel = _take(wanted, pixel, places)
            for p in range(count):
                j, i = places[p] // columns, places[p] % columns
                for axis in range(3):
                    start[axis, p] = m[axis, 0] * i + m[axis, 1] * j
                start[3, p] = wanted[places[p]]
            for o in range(len(offsets)):
                _weigh(shape, start, m, offsets[o], weights[o], voxel[o], parts[o])
            for p in range(count):
                value = values[places[p]]
                for o in range(len(offsets)):
                    if voxel[o, p] == _BEYOND:
                        continue
                    for c in range(4):
                        at = voxel[o, p] + steps[c]
                        sums[at] += parts[o, 2 * c, p] * value
                        sums[at + one] += parts[o, 2 * c + 1, p] * value
                        if weighs:
                            seen[at] += parts[o, 2 * c, p]
                            seen[at + one] += parts[o, 2 * c + 1, p]


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
