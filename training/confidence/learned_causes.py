"""Causes that spoil a volume, from which the model of quality is learned; how strong each is is drawn anew."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.assessment.resampling import Pair, random_rotation, rotate
from training.assessment.robustness import brain_mean
from training.confidence.changed import random_field, with_values


def noise(pair: Pair, draw: np.random.Generator) -> Pair:
    """Rician noise of 5 to 80 % of the brain's mean, where there is signal."""
    image, labels = pair
    sigma = float(np.exp(draw.uniform(np.log(0.05), np.log(0.8)))) * brain_mean(pair)
    parts = draw.normal(0, sigma, (2, *image.array.shape))
    noisy = np.hypot(image.array + parts[0], parts[1])
    return with_values(image, np.where(image.array > 0, noisy, 0)), labels


def blur(pair: Pair, draw: np.random.Generator) -> Pair:
    """A point spread of 1 to 6 mm standard deviation."""
    image, labels = pair
    width = draw.uniform(1.0, 6.0)
    return with_values(image, ndimage.gaussian_filter(image.array, width / np.array(image.grid.spacing[::-1]))), labels


def thick_slices(pair: Pair, draw: np.random.Generator) -> Pair:
    """Slices of 3 to 12 mm along one axis, interpolated."""
    image, labels = pair
    axis = int(draw.integers(3))
    step = max(2, round(draw.uniform(3.0, 12.0) / image.grid.spacing[2 - axis]))
    count = image.array.shape[axis]
    starts = np.arange(0, count, step)
    slabs = np.add.reduceat(image.array, starts, axis=axis, dtype=np.float64)
    slabs /= np.expand_dims(np.diff([*starts, count]), tuple({0, 1, 2} - {axis}))
    places = (np.arange(count) - (step - 1) / 2) / step
    found = ndimage.map_coordinates(
        slabs, np.meshgrid(*[places if a == axis else np.arange(n) for a, n in enumerate(image.array.shape)],
                           indexing="ij"), order=1, mode="nearest",
    )  # fmt: skip
    return with_values(image, np.where(image.array > 0, found, 0)), labels


def bias(pair: Pair, draw: np.random.Generator) -> Pair:
    """A bias field whose logarithm has a standard deviation of 0.2 to 1.2, 40 mm wide."""
    image, labels = pair
    field = random_field(image.grid, 40.0, draw) * draw.uniform(0.2, 1.2)
    return with_values(image, image.array * np.exp(field)), labels


def contrast(pair: Pair, draw: np.random.Generator) -> Pair:
    """A power of the intensities between 0.2 and 5: tissues that look alike, at either end."""
    image, labels = pair
    top = float(image.array.max()) or 1.0
    power = float(np.exp(draw.uniform(np.log(0.2), np.log(5.0))))
    return with_values(image, top * (np.maximum(image.array, 0) / top) ** power), labels


def slices_apart(pair: Pair, draw: np.random.Generator) -> Pair:
    """Neighbouring slices of one axis shifted against each other by 1 to 7 mm."""
    image, labels = pair
    axis, most = int(draw.integers(3)), draw.uniform(1.0, 7.0)
    moved_array = np.moveaxis(image.array.copy(), axis, 0)
    others = [image.grid.spacing[2 - a] for a in range(3) if a != axis]
    for at, plane in enumerate(moved_array):
        shift = draw.normal(0, most / 2, 2) / others
        moved_array[at] = ndimage.shift(plane, shift, order=1)
    return with_values(image, np.moveaxis(moved_array, 0, axis)), labels


def tight_mask(pair: Pair, draw: np.random.Generator) -> Pair:
    """A mask that cuts 1 to 8 mm into the brain."""
    image, labels = pair
    brain = np.pad(ndimage.binary_fill_holes(labels.array > 0), 1)
    depth = ndimage.distance_transform_edt(brain, sampling=image.grid.spacing[::-1])[1:-1, 1:-1, 1:-1]
    return with_values(image, np.where(depth > draw.uniform(1.0, 8.0), image.array, 0)), labels


def hole(pair: Pair, draw: np.random.Generator) -> Pair:
    """A ball of 10 to 35 mm radius in which there is no signal."""
    image, labels = pair
    brain = np.argwhere(labels.array > 0)
    centre, radius = brain[draw.integers(len(brain))], draw.uniform(10.0, 35.0)
    axes = np.ogrid[tuple(slice(n) for n in image.array.shape)]
    steps = image.grid.spacing[::-1]
    off = sum(((axis - middle) * step) ** 2 for axis, middle, step in zip(axes, centre, steps, strict=True))
    return with_values(image, np.where(off < radius**2, 0, image.array)), labels


def turned(pair: Pair, draw: np.random.Generator) -> Pair:
    """Turned by any angle, with a little noise: as reconstructions lie in their files."""
    return noise(rotate(pair, random_rotation(draw)), draw) if draw.random() < 0.3 else rotate(
        pair, random_rotation(draw)
    )  # fmt: skip
