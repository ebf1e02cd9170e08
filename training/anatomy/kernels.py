"""Compiled loops over points: interpolation, flow along a velocity field, labels of a soft map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled, inlined

Array = npt.NDArray[Any]
#: So many points flow side by side.
_BLOCK = 64


@compiled
def _cell(position: float, count: int) -> tuple[int, float]:
    """Lower neighbour along an axis of ``count`` ≥ 2 samples, and the share of the upper one; clamped to the axis."""
    position = min(max(position, 0.0), count - 1.0)
    low = min(int(position), count - 2)
    return low, position - low


@compiled
def _vector(field: Array, x: float, y: float, z: float, out: Array) -> None:
    """Trilinear value of a field (Z, Y, X, 3) at a position in voxels; beyond its border the border's."""
    k, w = _cell(z, field.shape[0])
    j, v = _cell(y, field.shape[1])
    i, u = _cell(x, field.shape[2])
    for c in range(3):
        near = (field[k, j, i, c] * (1 - u) + field[k, j, i + 1, c] * u) * (1 - v) + (
            field[k, j + 1, i, c] * (1 - u) + field[k, j + 1, i + 1, c] * u
        ) * v
        far = (field[k + 1, j, i, c] * (1 - u) + field[k + 1, j, i + 1, c] * u) * (1 - v) + (
            field[k + 1, j + 1, i, c] * (1 - u) + field[k + 1, j + 1, i + 1, c] * u
        ) * v
        out[c] = near * (1 - w) + far * w


@compiled
def interpolate(field: Array, points: Array) -> Array:
    """Trilinear interpolation of vectors.

    Args:
        field: (Z, Y, X, 3).
        points: (N, 3) positions (x, y, z) in voxels of the field; beyond its border the border's value holds.

    Returns:
        (N, 3) of the field's dtype.
    """
    found = np.empty((len(points), 3), field.dtype)
    for n in range(len(points)):
        _vector(field, points[n, 0], points[n, 1], points[n, 2], found[n])
    return found


@inlined
def _speed(
    flat: Array,
    shape: tuple[int, int, int],
    start: Array,
    ahead: float,
    before: Array,
    count: int,
    room: tuple[Array, Array, Array],
    out: Array,
) -> None:
    """Velocity at the points of a block, each ``ahead`` units of time further along an earlier velocity of it.

    The corners of all are read one after the other, the rest is computed side by side; each number is that of
    ``_vector``.

    Args:
        flat, shape: the field's values, and its size (Z, Y, X).
        start, before, out: (3, block), (x, y, z); ``out`` gets the velocities.
        ahead: units of time.
        count: points of the block that are filled.
        room: for the shares of upper neighbours (3, block), lower neighbours (block,), corners' values (24, block).
    """
    (nz, ny, nx), (shares, lower, corners) = shape, room
    for p in range(_BLOCK):
        x = min(max(start[0, p] + ahead * before[0, p], 0.0), nx - 1.0)
        y = min(max(start[1, p] + ahead * before[1, p], 0.0), ny - 1.0)
        z = min(max(start[2, p] + ahead * before[2, p], 0.0), nz - 1.0)
        i, j, k = (
            min(np.int32(x), np.int32(nx - 2)),
            min(np.int32(y), np.int32(ny - 2)),
            min(np.int32(z), np.int32(nz - 2)),
        )
        shares[0, p], shares[1, p], shares[2, p] = x - i, y - j, z - k
        lower[p] = np.uint32(3 * ((k * ny + j) * nx + i))
    row, plane = np.uint32(3 * nx), np.uint32(3 * nx * ny)
    for p in range(count):
        for e in range(6):
            at = lower[p] + np.uint32(e)
            corners[e, p], corners[6 + e, p] = flat[at], flat[at + row]
            corners[12 + e, p], corners[18 + e, p] = flat[at + plane], flat[at + plane + row]
    for p in range(_BLOCK):
        u, v, w = shares[0, p], shares[1, p], shares[2, p]
        for c in range(3):
            near = (corners[c, p] * (1 - u) + corners[3 + c, p] * u) * (1 - v) + (
                corners[6 + c, p] * (1 - u) + corners[9 + c, p] * u
            ) * v
            far = (corners[12 + c, p] * (1 - u) + corners[15 + c, p] * u) * (1 - v) + (
                corners[18 + c, p] * (1 - u) + corners[21 + c, p] * u
            ) * v
            out[c, p] = near * (1 - w) + far * w


@compiled
def flow(velocity: Array, points: Array, time: float, steps: int) -> Array:
    """Points advected by a stationary velocity field: Runge–Kutta of fourth order.

    Args:
        velocity: (Z, Y, X, 3) float64, contiguous, voxels a unit of time, (x, y, z).
        points: (N, 3) float64, positions (x, y, z) in voxels of the field.
        time: how long; negative for the way back.
        steps: of the integration.

    Returns:
        (N, 3) float64, in voxels.
    """
    moved, shape, flat, h = points.copy(), velocity.shape[:3], velocity.reshape(-1), time / steps
    at, k = np.zeros((3, _BLOCK)), np.zeros((4, 3, _BLOCK))
    room = (np.zeros((3, _BLOCK)), np.zeros(_BLOCK, np.uint32), np.zeros((24, _BLOCK)))
    for first in range(0, len(moved), _BLOCK):
        count = min(_BLOCK, len(moved) - first)
        for p in range(count):
            for c in range(3):
                at[c, p] = moved[first + p, c]
        for _ in range(steps):
            _speed(flat, shape, at, 0.0, k[0], count, room, k[0])
            _speed(flat, shape, at, h / 2, k[0], count, room, k[1])
            _speed(flat, shape, at, h / 2, k[1], count, room, k[2])
            _speed(flat, shape, at, h, k[2], count, room, k[3])
            for c in range(3):
                for p in range(_BLOCK):
                    at[c, p] += h / 6 * (k[0, c, p] + 2 * k[1, c, p] + 2 * k[2, c, p] + k[3, c, p])
        for p in range(count):
            for c in range(3):
                moved[first + p, c] = at[c, p]
    return moved


@compiled
def label_points(scores: Array, best: Array, signal: Array, points: Array) -> tuple[Array, Array]:
    """The label of the greatest interpolated score, and the signal.

    Args:
        scores: (Z, Y, X, C) float32.
        best: (Z, Y, X) uint8, the label of each voxel's greatest score. Where all eight corners of a cell have the
            same one, it is that of every point in the cell, and no score has to be interpolated.
        signal: (Z, Y, X) float32.
        points: (N, 3) positions (x, y, z) in voxels; beyond the border the border's values hold.

    Returns:
        labels (N,) uint8 and signal (N,) float32.
    """
    labels, values = np.empty(len(points), np.uint8), np.empty(len(points), np.float32)
    weights = np.empty(8, np.float32)
    for n in range(len(points)):
        k, w = _cell(points[n, 2], signal.shape[0])
        j, v = _cell(points[n, 1], signal.shape[1])
        i, u = _cell(points[n, 0], signal.shape[2])
        total = np.float32(0)
        first, same = best[k, j, i], True
        for corner in range(8):
            c, b, a = corner >> 2, (corner >> 1) & 1, corner & 1
            weight = np.float32((w if c else 1 - w) * (v if b else 1 - v) * (u if a else 1 - u))
            weights[corner] = weight
            total += weight * signal[k + c, j + b, i + a]
            same &= best[k + c, j + b, i + a] == first
        values[n] = total
        if not same:
            first = _greatest(scores, weights, k, j, i)
        labels[n] = first
    return labels, values


@compiled
def _greatest(scores: Array, weights: Array, k: int, j: int, i: int) -> int:
    """The first label whose interpolated score in a cell is the greatest."""
    label, greatest = 0, np.float32(-np.inf)
    for channel in range(scores.shape[3]):
        score = np.float32(0)
        for corner in range(8):
            score += weights[corner] * scores[k + (corner >> 2), j + ((corner >> 1) & 1), i + (corner & 1), channel]
        if score > greatest:
            label, greatest = channel, score
    return label
