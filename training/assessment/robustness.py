"""The robustness suite: what real scans do to a volume, one thing at a time, in known amounts and with fixed seeds.

Own code, shared with no synthesis that networks are trained on. Every condition takes an image and its label
map on one axis-aligned grid and a generator of random numbers, and gives both on a grid of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import fft, ndimage

from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from training.assessment.head_around import with_head
from training.assessment.resampling import Pair, move_rigidly, on_grid, random_rotation, respaced_grid, rotate

Condition = Callable[[Pair, np.random.Generator], Pair]

#: Standard deviation of the noise in each of the two channels, as a share of the brain's mean.
NOISE = 1 / 8
#: Logarithm of the bias field's gain at its two ends.
BIAS = 0.5
#: Segments of k-space, each with the head in another place, and how far away (mm, degrees, along each axis).
SEGMENTS, SHIFT_MM, TURN_DEGREES = 4, 3.0, 5.0
#: A tight mask cuts this deep into the brain.
TIGHT_MM = 2.0


def unchanged(pair: Pair, draw: np.random.Generator) -> Pair:
    """The volume as it is."""
    del draw
    return pair


def rotated(pair: Pair, draw: np.random.Generator) -> Pair:
    """Voxels resampled by a uniform random rotation."""
    return rotate(pair, random_rotation(draw))


def noisy(pair: Pair, draw: np.random.Generator) -> Pair:
    """Rician noise of an eighth of the brain's mean, everywhere."""
    image, labels = pair
    sigma = NOISE * brain_mean(pair)
    noise = draw.normal(0, sigma, (2, *image.array.shape))
    return Volume(np.hypot(image.array + noise[0], noise[1]).astype(np.float32), image.grid), labels


def biased(pair: Pair, draw: np.random.Generator) -> Pair:
    """A bias field from exp(−0.5) at one end of the volume to exp(+0.5) at the other, in a random direction."""
    image, labels = pair
    way = draw.normal(size=3)
    axes = np.meshgrid(
        *[np.linspace(-1, 1, n, dtype=np.float32) for n in image.array.shape], indexing="ij", sparse=True
    )
    ramp = sum(w * a for w, a in zip(way / np.abs(way).sum(), axes, strict=True))
    return Volume(image.array * np.exp(BIAS * ramp).astype(np.float32), image.grid), labels


def respaced(pair: Pair, draw: np.random.Generator, spacing: float) -> Pair:
    """Another spacing (mm) on the same place: blurred to the new voxel's width, then interpolated; labels likewise."""
    del draw
    image, labels = pair
    target = respaced_grid(image.grid, spacing)
    where = partial(on_grid, source=image.grid, target=target)
    best, found = where((labels.array == 0).astype(np.float32)), np.zeros(target.shape, np.uint8)
    for label in range(1, LABEL_COUNT):
        share = where((labels.array == label).astype(np.float32))
        found[share > best] = label
        np.maximum(best, share, out=best)
    return Volume(where(image.array), target), Volume(found, target)


def moved(pair: Pair, draw: np.random.Generator) -> Pair:
    """Motion between four segments of k-space, along an axis of the grid drawn at random.

    Three of the segments see the head shifted by up to ±3 mm and turned by up to ±5° along and about every
    axis; the one in whose middle the centre of k-space lies sees it in place, so that the label map still fits.
    (Were the centre a border of two segments, the image would show the head halfway between their places.)
    """
    image, labels = pair
    axis = int(draw.integers(3))
    count = image.array.shape[axis]
    spectrum = np.zeros(image.array.shape, np.complex64)
    # Counted from half a segment before the first line, so that the first segment holds both ends of k-space.
    segment_of = np.arange(count) * SEGMENTS + count // 2
    segment_of = segment_of // count % SEGMENTS
    for segment in range(SEGMENTS):
        shift, turn = draw.uniform(-SHIFT_MM, SHIFT_MM, 3), draw.uniform(-TURN_DEGREES, TURN_DEGREES, 3)
        seen = image.array if segment == segment_of[count // 2] else move_rigidly(image, shift, turn)
        lines: list[slice | np.ndarray] = [slice(None)] * 3
        lines[axis] = np.flatnonzero(segment_of == segment)
        spectrum[tuple(lines)] = fft.fftshift(fft.fftn(seen.astype(np.float32)), axes=axis)[tuple(lines)]
    ghosted = np.abs(fft.ifftn(fft.ifftshift(spectrum, axes=axis))).astype(np.float32)
    return Volume(ghosted, image.grid), labels


def unmasked(pair: Pair, draw: np.random.Generator) -> Pair:
    """A head around the brain, in fluid, in a mother."""
    return with_head(pair, draw)


def tightly_masked(pair: Pair, draw: np.random.Generator) -> Pair:
    """A mask that cuts 2 mm into the brain; the label map still names what was cut away."""
    del draw
    image, labels = pair
    brain = np.pad(ndimage.binary_fill_holes(labels.array > 0), 1)
    depth = ndimage.distance_transform_edt(brain, sampling=image.grid.spacing[::-1])[1:-1, 1:-1, 1:-1]
    return Volume(np.where(depth > TIGHT_MM, image.array, np.float32(0)), image.grid), labels


def rotated_noisy_biased(pair: Pair, draw: np.random.Generator) -> Pair:
    """Rotation, bias and noise together."""
    return noisy(biased(rotated(pair, draw), draw), draw)


CONDITIONS: dict[str, Condition] = {
    "rotation": rotated,
    "0.5 mm": partial(respaced, spacing=0.5),
    "0.8 mm": partial(respaced, spacing=0.8),
    "1.2 mm": partial(respaced, spacing=1.2),
    "noise": noisy,
    "bias": biased,
    "motion": moved,
    "unmasked": unmasked,
    "tight mask": tightly_masked,
}


def brain_mean(pair: Pair) -> float:
    """Mean intensity where there is a label."""
    return float(pair[0].array[pair[1].array > 0].mean())
