"""Causes that spoil a volume, none of which the model of quality has seen: what is measured on them tells of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume
from training.assessment.resampling import Pair, move_rigidly
from training.assessment.robustness import brain_mean
from training.confidence.changed import random_field, with_values


def ghosts(pair: Pair, draw: np.random.Generator) -> Pair:
    """One or two copies of the whole image, moved by half the field or so, of 30 to 90 % of its intensity."""
    image, labels = pair
    found = image.array.astype(np.float64)
    for _ in range(int(draw.integers(1, 3))):
        axis, part = int(draw.integers(3)), draw.uniform(0.1, 0.3)
        found += draw.uniform(0.3, 0.9) * np.roll(image.array, round(part * image.array.shape[axis]), axis)
    return with_values(image, found), labels


def spikes(pair: Pair, draw: np.random.Generator) -> Pair:
    """One to three spikes in k-space, which stripe the image at 40 to 150 % of the brain's mean."""
    image, labels = pair
    total = image.array.astype(np.float64)
    where = np.meshgrid(*[np.arange(n) for n in image.array.shape], indexing="ij", sparse=True)
    for _ in range(int(draw.integers(1, 4))):
        waves = draw.uniform(0.15, 0.9, 3) * draw.choice([-1, 1], 3)
        phase = sum(w * a for w, a in zip(waves, where, strict=True)) + draw.uniform(0, 2 * np.pi)
        total += draw.uniform(0.4, 1.5) * brain_mean(pair) * np.cos(phase)
    return with_values(image, np.where(image.array > 0, np.maximum(total, 0), 0)), labels


def warped(pair: Pair, draw: np.random.Generator) -> Pair:
    """Distorted by 6 to 15 mm (image alone), 18 mm wide, as by a registration of slices gone wrong."""
    image, labels = pair
    most, steps = draw.uniform(6.0, 15.0), image.grid.spacing[::-1]
    at = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in image.array.shape], indexing="ij")
    places = [a + most * random_field(image.grid, 18.0, draw) / 2 / step for a, step in zip(at, steps, strict=True)]
    return with_values(image, ndimage.map_coordinates(image.array, places, order=1)), labels


def two_brains(pair: Pair, draw: np.random.Generator) -> Pair:
    """The mean of the image and of itself moved by 6 to 14 mm and turned by 10 to 40 degrees: a failed fusion."""
    image, labels = pair
    shift = draw.uniform(6, 14, 3) * draw.choice([-1, 1], 3) / np.sqrt(3)
    other = move_rigidly(image, shift, draw.uniform(10, 40, 3) * draw.choice([-1, 1], 3))
    return with_values(image, (image.array + other) / 2), labels


def quantised(pair: Pair, draw: np.random.Generator) -> Pair:
    """A few bright voxels squeeze the brain into 3 to 9 grey values, with a little noise."""
    image, labels = pair
    steps = int(draw.integers(3, 10))
    top = float(np.percentile(image.array[labels.array > 0], 99)) or 1.0
    levels = np.rint(np.clip(image.array / top, 0, 1) * steps) / steps * top
    jitter = draw.normal(0, 0.01 * top, image.array.shape)
    return with_values(image, np.where(image.array > 0, np.maximum(levels + jitter, 0), 0)), labels


def inverted(pair: Pair, draw: np.random.Generator) -> Pair:
    """Dark fluid and bright tissue, as in a T1-weighted volume."""
    image, labels = pair
    inside = image.array > 0
    top = float(np.percentile(image.array[labels.array > 0], draw.uniform(97, 99.5)))
    return with_values(image, np.where(inside, np.maximum(1.05 * top - image.array, 0), 0)), labels


def half(pair: Pair, draw: np.random.Generator) -> Pair:
    """One side of the brain alone: the axis along which its label map is most symmetric is cut in the middle."""
    image, labels = pair
    axis, middle = _across(labels)
    keep = np.arange(image.array.shape[axis]) < middle
    keep = keep if draw.random() < 0.5 else ~keep
    return with_values(image, image.array * _along(keep, axis)), labels


def base_cut(pair: Pair, draw: np.random.Generator) -> Pair:
    """A fifth to two fifths of the brain cut off along an axis other than the one across."""
    image, labels = pair
    axis = int(draw.choice([a for a in range(3) if a != _across(labels)[0]]))
    there = np.flatnonzero((labels.array > 0).any(axis=tuple({0, 1, 2} - {axis})))
    part = draw.uniform(0.2, 0.4)
    cut = there[0] + part * (there[-1] - there[0]) if draw.random() < 0.5 else there[-1] - part * np.ptp(there)
    at = np.arange(image.array.shape[axis])
    keep = at > cut if cut < there.mean() else at < cut
    return with_values(image, image.array * _along(keep, axis)), labels


def every_other_slice(pair: Pair, draw: np.random.Generator) -> Pair:
    """Every other slice of an axis, or two of three, is without signal."""
    image, labels = pair
    axis, period = int(draw.integers(3)), int(draw.integers(2, 4))
    keep = np.arange(image.array.shape[axis]) % period == 0
    return with_values(image, image.array * _along(keep, axis)), labels


def thinned(pair: Pair, draw: np.random.Generator) -> Pair:
    """Half of the slices of an axis left out, so that the brain is half as long there."""
    axis = int(draw.integers(3))
    take = (slice(None),) * axis + (slice(None, None, 2),)
    image, labels = (_regrid(volume, np.ascontiguousarray(volume.array[take])) for volume in pair)
    return image, labels


def scaled(pair: Pair, draw: np.random.Generator) -> Pair:
    """Voxels said to be 1.6 to 2 times as large: a brain of an adult's size."""
    factor = draw.uniform(1.6, 2.0)
    return larger(pair[0], factor), larger(pair[1], factor)


def larger(volume: Volume, factor: float) -> Volume:
    """The same voxels, said to be so many times as large along each axis."""
    x, y, z = (float(side * factor) for side in volume.grid.spacing)
    return Volume(volume.array, replace(volume.grid, spacing=(x, y, z)))


def _regrid(volume: Volume, array: npt.NDArray) -> Volume:
    z, y, x = array.shape
    return Volume(array, Grid((x, y, z), volume.grid.spacing, volume.grid.origin, volume.grid.direction))


def _along(keep: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    return np.expand_dims(keep, tuple({0, 1, 2} - {axis}))


def _across(labels: Volume) -> tuple[int, int]:
    """The axis of an array along which a label map is most like its mirror image, and the middle there."""
    brain, best = labels.array > 0, (0, 0, -1.0)
    for axis in range(3):
        there = np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis})))
        part = np.take(labels.array, np.arange(there[0], there[-1] + 1), axis)
        like = float((part == np.flip(part, axis)).mean())
        best = max(best, (axis, int(there.mean()), like), key=lambda each: each[2])
    return best[0], best[1]
