"""Causes that spoil a volume: those that the model of quality is learned from, and those that it never saw.

The two lists have no cause in common, so that what is measured on the second tells of causes that nobody thought of.
Each takes an image and its label map on one grid, and random numbers, and gives both; how strong it is is drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume
from training.assessment.resampling import Pair, move_rigidly, random_rotation, rotate
from training.assessment.robustness import Condition, brain_mean, moved, unchanged, unmasked

Image = npt.NDArray[np.float32]


def noise(pair: Pair, draw: np.random.Generator) -> Pair:
    """Rician noise of 5 to 80 % of the brain's mean, where there is signal."""
    image, labels = pair
    sigma = float(np.exp(draw.uniform(np.log(0.05), np.log(0.8)))) * brain_mean(pair)
    parts = draw.normal(0, sigma, (2, *image.array.shape))
    noisy = np.hypot(image.array + parts[0], parts[1])
    return _with(image, np.where(image.array > 0, noisy, 0)), labels


def blur(pair: Pair, draw: np.random.Generator) -> Pair:
    """A point spread of 1 to 6 mm standard deviation."""
    image, labels = pair
    width = draw.uniform(1.0, 6.0)
    return _with(image, ndimage.gaussian_filter(image.array, width / np.array(image.grid.spacing[::-1]))), labels


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
    return _with(image, np.where(image.array > 0, found, 0)), labels


def bias(pair: Pair, draw: np.random.Generator) -> Pair:
    """A bias field whose logarithm has a standard deviation of 0.2 to 1.2, 40 mm wide."""
    image, labels = pair
    field = _field(image.grid, 40.0, draw) * draw.uniform(0.2, 1.2)
    return _with(image, image.array * np.exp(field)), labels


def contrast(pair: Pair, draw: np.random.Generator) -> Pair:
    """A power of the intensities between 0.2 and 5: tissues that look alike, at either end."""
    image, labels = pair
    top = float(image.array.max()) or 1.0
    power = float(np.exp(draw.uniform(np.log(0.2), np.log(5.0))))
    return _with(image, top * (np.maximum(image.array, 0) / top) ** power), labels


def slices_apart(pair: Pair, draw: np.random.Generator) -> Pair:
    """Neighbouring slices of one axis shifted against each other by 1 to 7 mm."""
    image, labels = pair
    axis, most = int(draw.integers(3)), draw.uniform(1.0, 7.0)
    moved_array = np.moveaxis(image.array.copy(), axis, 0)
    others = [image.grid.spacing[2 - a] for a in range(3) if a != axis]
    for at, plane in enumerate(moved_array):
        shift = draw.normal(0, most / 2, 2) / others
        moved_array[at] = ndimage.shift(plane, shift, order=1)
    return _with(image, np.moveaxis(moved_array, 0, axis)), labels


def tight_mask(pair: Pair, draw: np.random.Generator) -> Pair:
    """A mask that cuts 1 to 8 mm into the brain."""
    image, labels = pair
    brain = np.pad(ndimage.binary_fill_holes(labels.array > 0), 1)
    depth = ndimage.distance_transform_edt(brain, sampling=image.grid.spacing[::-1])[1:-1, 1:-1, 1:-1]
    return _with(image, np.where(depth > draw.uniform(1.0, 8.0), image.array, 0)), labels


def hole(pair: Pair, draw: np.random.Generator) -> Pair:
    """A ball of 10 to 35 mm radius in which there is no signal."""
    image, labels = pair
    brain = np.argwhere(labels.array > 0)
    centre, radius = brain[draw.integers(len(brain))], draw.uniform(10.0, 35.0)
    axes = np.ogrid[tuple(slice(n) for n in image.array.shape)]
    steps = image.grid.spacing[::-1]
    off = sum(((axis - middle) * step) ** 2 for axis, middle, step in zip(axes, centre, steps, strict=True))
    return _with(image, np.where(off < radius**2, 0, image.array)), labels


def turned(pair: Pair, draw: np.random.Generator) -> Pair:
    """Turned by any angle, with a little noise: as reconstructions lie in their files."""
    return noise(rotate(pair, random_rotation(draw)), draw) if draw.random() < 0.3 else rotate(
        pair, random_rotation(draw)
    )  # fmt: skip


# What the model of quality never saw.
def ghosts(pair: Pair, draw: np.random.Generator) -> Pair:
    """One or two copies of the whole image, moved by half the field or so, of 30 to 90 % of its intensity."""
    image, labels = pair
    found = image.array.astype(np.float64)
    for _ in range(int(draw.integers(1, 3))):
        axis, part = int(draw.integers(3)), draw.uniform(0.1, 0.3)
        found += draw.uniform(0.3, 0.9) * np.roll(image.array, round(part * image.array.shape[axis]), axis)
    return _with(image, found), labels


def spikes(pair: Pair, draw: np.random.Generator) -> Pair:
    """One to three spikes in k-space, which stripe the image at 40 to 150 % of the brain's mean."""
    image, labels = pair
    total = image.array.astype(np.float64)
    where = np.meshgrid(*[np.arange(n) for n in image.array.shape], indexing="ij", sparse=True)
    for _ in range(int(draw.integers(1, 4))):
        waves = draw.uniform(0.15, 0.9, 3) * draw.choice([-1, 1], 3)
        phase = sum(w * a for w, a in zip(waves, where, strict=True)) + draw.uniform(0, 2 * np.pi)
        total += draw.uniform(0.4, 1.5) * brain_mean(pair) * np.cos(phase)
    return _with(image, np.where(image.array > 0, np.maximum(total, 0), 0)), labels


def warped(pair: Pair, draw: np.random.Generator) -> Pair:
    """Distorted by 6 to 15 mm (image alone), 18 mm wide, as by a registration of slices gone wrong."""
    image, labels = pair
    most, steps = draw.uniform(6.0, 15.0), image.grid.spacing[::-1]
    at = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in image.array.shape], indexing="ij")
    places = [a + most * _field(image.grid, 18.0, draw) / 2 / step for a, step in zip(at, steps, strict=True)]
    return _with(image, ndimage.map_coordinates(image.array, places, order=1)), labels


def two_brains(pair: Pair, draw: np.random.Generator) -> Pair:
    """The mean of the image and of itself moved by 6 to 14 mm and turned by 10 to 40 degrees: a failed fusion."""
    image, labels = pair
    shift = draw.uniform(6, 14, 3) * draw.choice([-1, 1], 3) / np.sqrt(3)
    other = move_rigidly(image, shift, draw.uniform(10, 40, 3) * draw.choice([-1, 1], 3))
    return _with(image, (image.array + other) / 2), labels


def quantised(pair: Pair, draw: np.random.Generator) -> Pair:
    """A few bright voxels squeeze the brain into 3 to 9 grey values, with a little noise."""
    image, labels = pair
    steps = int(draw.integers(3, 10))
    top = float(np.percentile(image.array[labels.array > 0], 99)) or 1.0
    levels = np.rint(np.clip(image.array / top, 0, 1) * steps) / steps * top
    jitter = draw.normal(0, 0.01 * top, image.array.shape)
    return _with(image, np.where(image.array > 0, np.maximum(levels + jitter, 0), 0)), labels


def inverted(pair: Pair, draw: np.random.Generator) -> Pair:
    """Dark fluid and bright tissue, as in a T1-weighted volume."""
    image, labels = pair
    inside = image.array > 0
    top = float(np.percentile(image.array[labels.array > 0], draw.uniform(97, 99.5)))
    return _with(image, np.where(inside, np.maximum(1.05 * top - image.array, 0), 0)), labels


def half(pair: Pair, draw: np.random.Generator) -> Pair:
    """One side of the brain alone: the axis along which its label map is most symmetric is cut in the middle."""
    image, labels = pair
    axis, middle = _across(labels)
    keep = np.arange(image.array.shape[axis]) < middle
    keep = keep if draw.random() < 0.5 else ~keep
    return _with(image, image.array * _along(keep, axis)), labels


def base_cut(pair: Pair, draw: np.random.Generator) -> Pair:
    """A fifth to two fifths of the brain cut off along an axis other than the one across."""
    image, labels = pair
    axis = int(draw.choice([a for a in range(3) if a != _across(labels)[0]]))
    there = np.flatnonzero((labels.array > 0).any(axis=tuple({0, 1, 2} - {axis})))
    part = draw.uniform(0.2, 0.4)
    cut = there[0] + part * (there[-1] - there[0]) if draw.random() < 0.5 else there[-1] - part * np.ptp(there)
    at = np.arange(image.array.shape[axis])
    keep = at > cut if cut < there.mean() else at < cut
    return _with(image, image.array * _along(keep, axis)), labels


def every_other_slice(pair: Pair, draw: np.random.Generator) -> Pair:
    """Every other slice of an axis, or two of three, is without signal."""
    image, labels = pair
    axis, period = int(draw.integers(3)), int(draw.integers(2, 4))
    keep = np.arange(image.array.shape[axis]) % period == 0
    return _with(image, image.array * _along(keep, axis)), labels


def thinned(pair: Pair, draw: np.random.Generator) -> Pair:
    """Half of the slices of an axis left out, so that the brain is half as long there."""
    axis = int(draw.integers(3))
    take = (slice(None),) * axis + (slice(None, None, 2),)
    image, labels = (_regrid(volume, np.ascontiguousarray(volume.array[take])) for volume in pair)
    return image, labels


def scaled(pair: Pair, draw: np.random.Generator) -> Pair:
    """Voxels said to be 1.6 to 2 times as large: a brain of an adult's size."""
    factor = draw.uniform(1.6, 2.0)
    spacing = tuple(float(side * factor) for side in pair[0].grid.spacing)
    grid = Grid(pair[0].grid.size, (spacing[0], spacing[1], spacing[2]), pair[0].grid.origin, pair[0].grid.direction)
    return Volume(pair[0].array, grid), Volume(pair[1].array, grid)


LEARNED: Mapping[str, Condition] = {
    "noise": noise,
    "blur": blur,
    "thick slices": thick_slices,
    "bias": bias,
    "contrast": contrast,
    "slices apart": slices_apart,
    "tight mask": tight_mask,
    "hole": hole,
    "turned": turned,
}
UNSEEN: Mapping[str, Condition] = {
    "ghosts": ghosts,
    "spikes": spikes,
    "warped": warped,
    "two brains": two_brains,
    "few grey values": quantised,
    "inverted": inverted,
    "half": half,
    "base cut": base_cut,
    "every other slice": every_other_slice,
    "thinned": thinned,
    "adult's size": scaled,
    "motion": moved,
    "unmasked": unmasked,
}
AS_IS = "as is"
ALL: Mapping[str, Condition] = {AS_IS: unchanged, **LEARNED, **UNSEEN}
#: Causes that change what is there to measure: lengths of the volume as it was are no truth after them.
NO_LENGTHS = ("half", "base cut", "thinned", "adult's size", "warped", "hole")


def _with(image: Volume, array: npt.NDArray) -> Volume:
    return Volume(np.ascontiguousarray(array, np.float32), image.grid)


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


def _field(grid: Grid, width_mm: float, draw: np.random.Generator) -> Image:
    """A random field (Z, Y, X) of standard deviation 1 that changes over so many millimetres."""
    steps = np.array(grid.spacing[::-1])
    shape = np.maximum(np.ceil(np.array(grid.shape) * steps / width_mm).astype(int) + 3, 4)
    knots = draw.normal(size=shape)
    places = [np.linspace(1, n - 2, count) for n, count in zip(shape, grid.shape, strict=True)]
    field = knots
    for axis, place in enumerate(places):
        low = np.floor(place).astype(int)
        part = np.expand_dims(place - low, tuple({0, 1, 2} - {axis}))
        smooth = part**2 * (3 - 2 * part)
        field = np.take(field, low, axis) * (1 - smooth) + np.take(field, low + 1, axis) * smooth
    return np.asarray(field, np.float32)
