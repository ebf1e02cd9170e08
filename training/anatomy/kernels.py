"""Compiled loops over points: interpolation, flow along a velocity field, labels of a soft map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feta.compiled import compiled

Array = npt.NDArray[Any]


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


@compiled
def flow(velocity: Array, points: Array, time: float, steps: int) -> Array:
    """Points advected by a stationary velocity field: Runge–Kutta of fourth order.

    Args:
        velocity: (Z, Y, X, 3) float64, voxels a unit of time, (x, y, z).
        points: (N, 3) float64, positions (x, y, z) in voxels of the field.
        time: how long; negative for the way back.
        steps: of the integration.

    Returns:
        (N, 3) float64, in voxels.
    """
    moved = points.copy()
    h = time / steps
    a, b, c, d = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for n in range(len(moved)):
        p = moved[n]
        for _ in range(steps):
            _vector(velocity, p[0], p[1], p[2], a)
            _vector(velocity, p[0] + h / 2 * a[0], p[1] + h / 2 * a[1], p[2] + h / 2 * a[2], b)
            _vector(velocity, p[0] + h / 2 * b[0], p[1] + h / 2 * b[1], p[2] + h / 2 * b[2], c)
            _vector(velocity, p[0] + h * c[0], p[1] + h * c[1], p[2] + h * c[2], d)
            for i in range(3):
                p[i] += h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i])
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
