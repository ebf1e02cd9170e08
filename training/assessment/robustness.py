"""The stress suite: what real scans do to a volume, one thing at a time, in known amounts and with fixed seeds.

Own code, shared with no synthesis that networks are trained on. Every condition takes an image and its label
map on one axis-aligned grid and a generator of random numbers, and gives both on a grid of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.volumes import Volume
from training.assessment.head_around import with_head

Pair = tuple[Volume, Volume]
Condition = Callable[[Pair, np.random.Generator], Pair]

#: Room around a volume (mm) that lets it turn without being cut.
ROOM_MM = 30.0
#: Standard deviation of the noise in each of the two channels, as a share of the brain's mean.
NOISE = 1 / 8
#: Logarithm of the bias field's gain at its two ends.
BIAS = 0.5
#: Segments of k-space, each with the head in another place, and how far away (mm, degrees, along each axis).
SEGMENTS, SHIFT_MM, TURN_DEGREES = 4, 3.0, 5.0
#: A tight mask cuts this deep into the brain.
TIGHT_MM = 2.0
#: Full width at half maximum of a Gaussian point spread function, in standard deviations.
FWHM_PER_SD = 2.3548


def as_is(pair: Pair, draw: np.random.Generator) -> Pair:
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
    target = _respaced_grid(image.grid, spacing)
    where = partial(_on_grid, source=image.grid, target=target)
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
        seen = image.array if segment == segment_of[count // 2] else _rigidly(image, shift, turn)
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


def turned(pair: Pair, draw: np.random.Generator) -> Pair:
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


def random_rotation(draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """A uniform random rotation (3, 3)."""
    q, r = np.linalg.qr(draw.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, ::-1]


def rotate(pair: Pair, rotation: npt.NDArray[np.float64]) -> Pair:
    """Turn the voxels of image (trilinear) and label map (nearest) about the middle, on a larger cubic grid.

    Args:
        pair: image and label map on one grid with an axis-aligned direction.
        rotation: (3, 3), acts on (x, y, z) in mm.
    """
    image, labels = pair
    spacing = min(image.grid.spacing)
    side = int(np.ceil((max(np.multiply(image.grid.size, image.grid.spacing)) + ROOM_MM) / spacing))
    direction = np.reshape(image.grid.direction, (3, 3))
    grid = Grid((side,) * 3, (spacing,) * 3, (0.0,) * 3, image.grid.direction)
    # voxel of the output → mm about the middle → turned → voxel of the input
    matrix = np.linalg.inv(direction * np.asarray(image.grid.spacing)) @ rotation @ (direction * spacing)
    offset = _middle(image.grid) - matrix @ _middle(grid)
    turned_image = _sampled(image.array, matrix, offset, grid.shape, 1)
    return Volume(turned_image, grid), Volume(_sampled(labels.array, matrix, offset, grid.shape, 0), grid)


def _rigidly(image: Volume, shift: npt.NDArray[np.float64], degrees: npt.NDArray[np.float64]) -> npt.NDArray:
    """The image (z, y, x) with its content moved (mm) and turned about the middle, on the same grid."""
    spacing = np.asarray(image.grid.spacing)
    matrix = np.diag(1 / spacing) @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag(spacing)
    offset = _middle(image.grid) - matrix @ _middle(image.grid) + shift / spacing
    return _sampled(image.array, matrix, offset, image.array.shape, 1)


def _respaced_grid(grid: Grid, spacing: float) -> Grid:
    """The grid that covers the same box with voxels of another size."""
    x, y, z = (max(1, round(n * s / spacing)) for n, s in zip(grid.size, grid.spacing, strict=True))
    step = np.reshape(grid.direction, (3, 3))
    middle = np.asarray(grid.origin) + step @ (_middle(grid) * grid.spacing)
    corner = middle - step @ ((np.array([x, y, z]) - 1) / 2 * spacing)
    return Grid((x, y, z), (spacing,) * 3, (float(corner[0]), float(corner[1]), float(corner[2])), grid.direction)


def _on_grid(array: npt.NDArray[np.float32], source: Grid, target: Grid) -> npt.NDArray[np.float32]:
    """An array on another grid with the same middle and directions, blurred first where voxels get wider."""
    old, new = np.asarray(source.spacing), np.asarray(target.spacing)
    blur = np.sqrt(np.clip(new**2 - old**2, 0, None)) / FWHM_PER_SD / old
    smooth = ndimage.gaussian_filter(array, blur[::-1])
    matrix = np.diag(new / old)
    return _sampled(smooth, matrix, _middle(source) - matrix @ _middle(target), target.shape, 1)


def _middle(grid: Grid) -> npt.NDArray[np.float64]:
    return (np.asarray(grid.size) - 1) / 2


def _sampled(
    array: npt.NDArray, matrix: npt.NDArray, offset: npt.NDArray, shape: tuple[int, ...], order: Literal[0, 1]
) -> npt.NDArray:
    """An array (z, y, x) at positions matrix · index + offset, both (x, y, z); zero outside."""
    return ndimage.affine_transform(array, matrix[::-1, ::-1], offset[::-1], output_shape=shape, order=order)
