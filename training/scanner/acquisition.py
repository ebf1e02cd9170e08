"""Acquisition: stacks of thick slices of a moving head, blurred by their point spread function, drop-out, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from training.imaging.filters import SD_PER_FWHM
from training.imaging.random_fields import Image, rician, shading, smooth_noise
from training.scanner.degradation import Degradation
from training.scanner.slice_kernels import cut

Maps = npt.NDArray[np.float64]
#: Samples of a slice profile, over this many standard deviations to either side.
_SAMPLES, _REACH = 9, 2.2
#: Slices of a stack, by head axis (x, y, z): columns, rows, normal. Axial, coronal, sagittal.
_ORIENTATIONS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


@dataclass(frozen=True)
class Object:
    """What is scanned: intensities, and where they lie in the head.

    Attributes:
        image: (Z, Y, X) float32.
        distance: (Z', Y', X') float32 mm, distance from the brain (0 inside), on a lattice of its own.
        from_head: 4×4 from head-frame mm to voxels (x, y, z) of ``image``.
        distance_from_head: likewise for ``distance``.
    """

    image: Image
    distance: Image
    from_head: Maps
    distance_from_head: Maps


@dataclass(frozen=True)
class Stack:
    """Parallel slices, as scanned and as the reconstruction takes them.

    Attributes:
        values: (n, rows, columns) float32.
        believed: (n, 3, 4), from (column, row, mm along the normal, 1) to head-frame mm, as corrected for motion.
        near: (n, rows, columns) bool, pixels that may lie in the region of interest.
        thickness: mm.
    """

    values: Image
    believed: Maps
    near: npt.NDArray[np.bool_]
    thickness: float


def profile(fwhm: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Offsets (mm) and weights (sum 1) that sample a Gaussian slice profile, the point spread across a slice."""
    offsets = np.linspace(-_REACH, _REACH, _SAMPLES) * fwhm * SD_PER_FWHM
    weights = np.exp(-0.5 * (offsets / (fwhm * SD_PER_FWHM)) ** 2)
    return offsets, weights / weights.sum()


def acquire(
    scanned: Object,
    box: npt.NDArray[np.float64],
    in_plane: float,
    thickness: float,
    bias: float,
    reach: float,
    bad: Degradation,
    rng: np.random.Generator,
) -> list[Stack]:
    """Scan stacks in turn axial, coronal and sagittal to the head, more or less.

    Args:
        scanned: the head.
        box: (2, 3) least and greatest x, y, z that slices must cover, head-frame mm.
        in_plane: pixel, mm; the object is blurred to it already.
        thickness: of a slice, mm; slices touch.
        bias: strength of the shading of each stack.
        reach: mm around the brain beyond which no pixel is of interest.
        bad: how bad.
        rng: for what is random.
    """
    return [
        _scan(scanned, box, _ORIENTATIONS[i % 3], in_plane, thickness, bias, reach, bad, rng) for i in range(bad.stacks)
    ]


def _scan(
    scanned: Object,
    box: npt.NDArray[np.float64],
    axes: tuple[int, int, int],
    in_plane: float,
    thickness: float,
    bias: float,
    reach: float,
    bad: Degradation,
    rng: np.random.Generator,
) -> Stack:
    columns, rows, count = (
        int(np.ceil((box[1] - box[0])[a] / s)) + 2 for a, s in zip(axes, (in_plane, in_plane, thickness), strict=True)
    )
    resting = _resting(box, axes, (columns, rows, count), (in_plane, in_plane, thickness), rng)
    centre = box.mean(axis=0)
    true = _moved(resting, *_motion(count, bad.motion_mm, bad.motion_degrees, rng), centre)
    errors = rng.normal(0, bad.pose_mm, (count, 3)), rng.normal(0, bad.pose_degrees, (count, 3))
    believed = _moved(true, *errors, centre)
    offsets, weights = profile(thickness)
    near = _near(scanned, true, (count, rows, columns), reach)
    values = cut(scanned.image, in_voxels(scanned.from_head, true), offsets, weights, near)
    values *= shading(values.shape, bias, rng)
    values *= _brightness(values.shape, bad, rng)
    return Stack(rician(values, bad.noise, rng), believed, near, thickness)


def _resting(
    box: npt.NDArray[np.float64],
    axes: tuple[int, int, int],
    counts: tuple[int, int, int],
    steps: tuple[float, float, float],
    rng: np.random.Generator,
) -> Maps:
    """(n, 3, 4) maps of the slices of a head at rest, a few degrees off its axes."""
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(0, 5, 3))).as_matrix()
    u, v, normal = (turn[:, a] for a in axes)
    middle = box.mean(axis=0) + rng.uniform(-0.5, 0.5, 3) * steps[2]
    corner = middle - u * steps[0] * (counts[0] - 1) / 2 - v * steps[1] * (counts[1] - 1) / 2
    maps = np.empty((counts[2], 3, 4))
    for s in range(counts[2]):
        origin = corner + normal * steps[2] * (s - (counts[2] - 1) / 2)
        maps[s] = np.stack([u * steps[0], v * steps[1], normal, origin], axis=1)
    return maps


def _motion(
    count: int, mm: float, degrees: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Shift (mm) and turn (degrees), each (count, 3), of every slice: a wandering head, sampled interleaved."""
    path = np.cumsum(rng.standard_normal((count, 6)) * (1 + 4 * (rng.random((count, 1)) < 0.05)), axis=0) / np.sqrt(
        count
    )
    path -= path.mean(axis=0)
    order = np.concatenate([np.arange(0, count, 2), np.arange(1, count, 2)])
    moved = np.empty_like(path)
    moved[order] = path
    return mm * moved[:, :3], degrees * moved[:, 3:]


def _moved(
    maps: Maps, shifts: npt.NDArray[np.float64], degrees: npt.NDArray[np.float64], centre: npt.NDArray[np.float64]
) -> Maps:
    """Maps after turns about a centre and shifts, one for each slice."""
    turns = Rotation.from_rotvec(np.deg2rad(degrees)).as_matrix()
    moved = np.einsum("nij,njk->nik", turns, maps)
    moved[:, :, 3] = np.einsum("nij,nj->ni", turns, maps[:, :, 3] - centre) + centre + shifts
    return moved


def in_voxels(from_head: Maps, maps: Maps) -> Maps:
    """Maps to head-frame mm as maps to voxels."""
    inside = np.einsum("ij,njk->nik", from_head[:3, :3], maps)
    inside[:, :, 3] += from_head[:3, 3]
    return inside


def _near(scanned: Object, maps: Maps, shape: tuple[int, int, int], reach: float) -> npt.NDArray[np.bool_]:
    """Pixels whose centre lies within reach of the brain."""
    everywhere = np.ones(shape, bool)
    if not np.isfinite(reach):
        return everywhere
    here, full = np.zeros(1), np.ones(1)
    return cut(scanned.distance, in_voxels(scanned.distance_from_head, maps), here, full, everywhere) < reach


def _brightness(shape: tuple[int, ...], bad: Degradation, rng: np.random.Generator) -> Image:
    """Factors (n, rows, columns): fluctuation from slice to slice, and slices that lost signal, wholly or in part."""
    factors = np.ones(shape, np.float32)
    factors *= np.exp(rng.normal(0, bad.fluctuation, (shape[0], 1, 1))).astype(np.float32)
    for s in np.flatnonzero(rng.random(shape[0]) < bad.dropout):
        loss = rng.uniform(0.3, 0.9)
        hole = 1 / (1 + np.exp(-2 * smooth_noise(shape[1:], min(shape[1:]) / 4, rng)))
        factors[s] *= np.float32(1) - np.float32(loss) * (hole if rng.random() < 0.6 else np.float32(1))
    return factors
