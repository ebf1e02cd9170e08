"""The outline of a structure in a plane, to a fraction of a voxel.

A mask's surface moves in steps of a voxel, which is 4 % of a vermis. Its indicator is therefore
smoothed; the outline is where that field passes one half. Smoothing
alone draws a curved surface in by half the variance times its curvature; taking twice the smoothed
field less the field smoothed again (one step of van Cittert deconvolution) undoes this to first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

from inference.biometry.mask_operations import Mask, largest, solid

Array = npt.NDArray[np.float64]

#: Smoothing of an outline (standard deviation, mm), and of the slab that is taken for a plane: a weighted mean over
#: it is steadier than one slice.
SMOOTH_MM = 0.8
SLAB_MM = 0.8
#: Smoothing reaches this many standard deviations.
TRUNCATE = 3.0
#: The outline is this value of the smoothed indicator.
LEVEL = 0.5
#: Lines across a plane lie this part of a voxel apart, and so do the points on them.
STEP = 0.5
#: Neighbouring lines that fall short of the best by less than four times this (mm) count, by how little they do:
#: their middle stands still where the best jumps from one to the other. Flat sides face each other in a width.
WIDTH_CAP_MM = 0.25
END_CAP_MM = 0.06


@dataclass(frozen=True)
class Plane:
    """A structure's smoothed indicator in a plane.

    Attributes:
        field: (rows, columns), above one half inside the structure.
        origin: position of pixel (0, 0) in mm: along the columns' axis, then the rows'.
        spacing: mm.
    """

    field: Array
    origin: Array
    spacing: float

    @property
    def area(self) -> float:
        """What the outline encloses, mm²."""
        return float((self.field >= LEVEL).sum()) * self.spacing**2

    def largest_part(self) -> Plane:
        """The same without the parts of the structure that hang apart from its largest."""
        inside = self.field >= LEVEL
        part = largest(inside)
        return self if part is None else Plane(np.where(inside & ~part, 0.0, self.field), self.origin, self.spacing)

    def without_thin(self, radius_mm: float, share: float) -> Plane:
        """The same without sheets and threads, and without small parts that only these tie to it: see ``solid``."""
        inside = self.field >= LEVEL
        kept = solid(inside, self.spacing, radius_mm, share)
        return Plane(np.where(inside & ~kept, 0.0, self.field), self.origin, self.spacing)

    def principal_axis(self) -> tuple[float, float]:
        """Unit vector along which the structure spreads most, its second coordinate positive."""
        weights = np.clip(self.field, 0.0, 1.0)
        rows, columns = np.nonzero(weights)
        _, vectors = np.linalg.eigh(np.cov(np.stack([columns, rows]), aweights=weights[rows, columns]))
        along, up = vectors[:, -1].tolist()
        return (along, up) if up >= 0 else (-along, -up)

    def chords(self, direction: tuple[float, float]) -> Chords:
        """The lines parallel to a direction, from where each first enters the structure to where it last leaves it.

        Args:
            direction: unit vector (along the columns' axis, along the rows').
        """
        along = np.asarray(direction, np.float64)
        across = np.array([-along[1], along[0]])
        extent = (np.array(self.field.shape[::-1]) - 1) * self.spacing
        centre = self.origin + extent / 2
        step, reach = self.spacing * STEP, float(np.linalg.norm(extent)) / 2 + self.spacing
        ticks = np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step
        points = centre + ticks[:, None, None] * across + ticks[None, :, None] * along
        index = np.moveaxis((points - self.origin) / self.spacing, -1, 0)[::-1]
        first, last = crossings(map_coordinates(self.field, index, order=1, cval=0.0))
        met = np.isfinite(first)
        start = float(ticks[0])
        return Chords(centre, along, across, ticks[met], first[met] * step + start, last[met] * step + start)


@dataclass(frozen=True)
class Chords:
    """Parallel lines across a structure.

    Attributes:
        centre: where the coordinates below are 0, mm (2,).
        along: unit vector of the lines.
        across: unit vector from one line to the next.
        offset: (N,) of each line, mm across.
        first: (N,) where it enters, mm along.
        last: (N,) where it leaves.
    """

    centre: Array
    along: Array
    across: Array
    offset: Array
    first: Array
    last: Array

    def longest(self) -> tuple[Array, Array]:
        """Both ends (2,) of the longest line, mm."""
        rows = _cap(self.last - self.first, WIDTH_CAP_MM)
        return self._at(rows, self.first), self._at(rows, self.last)

    def extremes(self) -> tuple[Array, Array]:
        """The points (2,) that lie first and last along the lines, mm, each on its own line."""
        return self._at(_cap(-self.first, END_CAP_MM), self.first), self._at(_cap(self.last, END_CAP_MM), self.last)

    def farthest(self, slope: float = np.inf) -> tuple[Array, Array]:
        """The pair of points (2,), one where a line enters, one where a line leaves, farthest from each other, mm.

        Args:
            slope: how far the pair may deviate from the lines' direction, mm across a mm along.
        """
        along, across = self.last[None] - self.first[:, None], self.offset[None] - self.offset[:, None]
        apart = np.where(np.abs(across) <= slope * along, np.hypot(along, across), 0.0)
        i, j = np.unravel_index(np.argmax(apart), apart.shape)
        entry, leave = _cap(apart[:, j], END_CAP_MM, int(i)), _cap(apart[i], END_CAP_MM, int(j))
        return self._at(entry, self.first), self._at(leave, self.last)

    def _at(self, weights: Array, reached: Array) -> Array:
        """The end of the line in the middle of some weighted lines."""
        offset = float(np.average(self.offset, weights=weights))
        position = float(np.interp(offset, self.offset, reached))
        return np.asarray(self.centre + position * self.along + offset * self.across)


def plane(mask: Mask, origin: Array, spacing: float, axis: int, position: float, width_mm: float = SMOOTH_MM) -> Plane:
    """A section through a structure, smoothed across its plane and in it.

    Args:
        mask: the structure (z, y, x).
        origin: position (x, y, z) of voxel (0, 0, 0), mm.
        spacing: mm.
        axis: across the plane: 0 x, 1 y, 2 z.
        position: of the plane along that axis, mm.
        width_mm: of the smoothing in the plane.
    """
    across = 2 - axis
    index = float(np.clip((position - origin[axis]) / spacing, 0, mask.shape[across] - 1))
    reach = int(np.ceil(2 * TRUNCATE * SLAB_MM / spacing))
    first, last = max(int(index) - reach, 0), min(int(index) + reach + 2, mask.shape[across])
    slab = np.moveaxis(mask, across, 0)[first:last]
    field = smoothed(slab, spacing, (SLAB_MM, width_mm, width_mm))
    below, part = divmod(index - first, 1.0)
    above = min(int(below) + 1, len(field) - 1)
    flat = (1 - part) * field[int(below)] + part * field[above]
    return Plane(flat, np.delete(origin, axis), spacing)


def smoothed(field: Array | Mask, spacing: float, widths_mm: float | tuple[float, ...] = SMOOTH_MM) -> Array:
    """Smooth an indicator without drawing in what is curved.

    Args:
        field: of any dimension.
        spacing: mm.
        widths_mm: standard deviation, or one for each axis.
    """
    sigma = np.broadcast_to(np.divide(widths_mm, spacing), field.ndim)
    once = gaussian_filter(field.astype(np.float64), sigma, mode="nearest", truncate=TRUNCATE)
    return np.asarray(2 * once - gaussian_filter(once, sigma, mode="nearest", truncate=TRUNCATE))


def crossings(values: Array) -> tuple[Array, Array]:
    """Where values along the last axis first rise above one half, and where they last fall below it.

    Args:
        values: (…, N).

    Returns:
        two arrays (…) of indices with fractions; NaN where no value reaches one half.
    """
    return _rise(values), values.shape[-1] - 1 - _rise(values[..., ::-1])


def _rise(values: Array) -> Array:
    inside = values >= LEVEL
    first = inside.argmax(axis=-1)
    here = np.take_along_axis(values, first[..., None], -1)[..., 0]
    before = np.take_along_axis(values, np.maximum(first - 1, 0)[..., None], -1)[..., 0]
    back = np.where(first > 0, (here - LEVEL) / np.maximum(here - before, 1e-9), 0.0)
    return np.where(inside.any(axis=-1), first - back, np.nan)


def _cap(reach: Array, cap_mm: float, top: int | None = None) -> Array:
    """Weights of the run of neighbours about the greatest (or a given) value, by how little they fall short of it."""
    top = int(np.argmax(reach)) if top is None else top
    short = reach[top] - reach
    far = np.flatnonzero(short > 4 * cap_mm)
    low, high = far[far < top], far[far > top]
    weights = np.exp(-np.maximum(short, 0.0) / cap_mm)
    weights[: int(low[-1]) + 1 if len(low) else 0] = 0
    weights[int(high[0]) if len(high) else len(reach) :] = 0
    return weights
