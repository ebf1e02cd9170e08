"""The frame in which every cerebrum fills the same box, and how large the cerebrum is at an age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feta.age_model import PUBLISHED_CURVES
from feta.grid import Matrix
from feta.labels import Tissue
from feta.measurements import Measurement
from training.anatomy.growth import BRAIN_LENGTH
from training.anatomy.template import CALLOSUM

#: Voxels (z, y, x) of the normalised grid.
GRID = (112, 112, 96)
#: Its extent in half sizes of the cerebrum: (x, y, z) first and last. The cerebellum and brainstem hang below.
FIRST, LAST = np.array([-1.28, -1.22, -1.95]), np.array([1.28, 1.22, 1.30])
#: What the box is put around.
CEREBRUM = (Tissue.GM, Tissue.WM, Tissue.VM, Tissue.SGM, CALLOSUM)

Point = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SizeModel:
    """Quadratics in age, for neurotypical (first) and spina bifida brains.

    Attributes:
        coefficients: (2, 3, 3) nested lists: group, axis (x, y, z), powers (a², a, 1) with a = weeks − 30; they
            give the logarithm of the cerebrum's half size in mm.
    """

    coefficients: list[list[list[float]]]

    def half(self, age: float, pathology: float) -> Point:
        """Half size (x, y, z) of the cerebrum, mm, in between the groups by ``pathology`` (0–1)."""
        both = np.array(self.coefficients) @ np.array([(age - 30) ** 2, age - 30, 1.0])
        return np.asarray(np.exp(np.array([1 - pathology, pathology]) @ both), np.float64)


def cerebral_box(labels: npt.NDArray[np.uint8], to_ras: Matrix) -> tuple[Point, Point]:
    """Centre and half size (x, y, z) of a cerebrum in mm; x is centred on the plane of symmetry.

    Args:
        labels: (z, y, x) with values 0–8, axes along those of ``to_ras``'s frame.
        to_ras: 4×4 from voxel index (x, y, z) to RAS mm.
    """
    cerebrum = np.isin(labels, CEREBRUM)
    ranges = []
    for axis in (2, 1, 0):
        profile = cerebrum.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float)
        share = np.concatenate([[0.0], profile.cumsum() / profile.sum()])
        # Of the cerebrum, this share lies before the face between voxels i − 1 and i.
        ranges.append(np.interp([0.002, 0.998], share, np.arange(len(share)) - 0.5))
    first, last = np.array(ranges).T
    ends = np.stack([first, last]) @ to_ras[:3, :3].T + to_ras[:3, 3]
    return ends.mean(0), np.abs(ends[1] - ends[0]) / 2


def fit_sizes(ages: npt.NDArray[np.float64], pathological: npt.NDArray[np.bool_], halves: Point) -> SizeModel:
    """Least-squares quadratics in age for both groups; a group of fewer than three ages takes those of all.

    Args:
        ages: (N,) weeks.
        pathological: (N,).
        halves: (N, 3) half sizes, mm.
    """
    fits = []
    degree = min(2, len(set(ages)) - 1)
    for group in (False, True):
        chosen = pathological == group
        if len(set(ages[chosen])) < 3:
            chosen = np.ones(len(ages), bool)
        coefficients = np.polyfit(ages[chosen] - 30, np.log(halves[chosen]), degree)
        powers = np.concatenate([np.zeros((2 - degree, 3)), coefficients]).T
        fits.append([[round(float(v), 6) for v in row] for row in powers])
    return SizeModel(fits)


def norm_scale(sizes: SizeModel, age: float) -> Point:
    """Factor (x, y, z) from the atlases' size to that of the published curves at an age in weeks."""
    half = sizes.half(age, 0.0)
    width = PUBLISHED_CURVES[Measurement.BBIP].mean(age) / (2 * half[0])
    length = BRAIN_LENGTH.mean(age) / (2 * half[1])
    return np.array([width, length, np.sqrt(width * length)])


def to_canonical(half: Point) -> Matrix:
    """4×4 from index (x, y, z) of the normalised grid to canonical mm: the cerebrum's centre is the origin.

    Args:
        half: half size (x, y, z) of the cerebrum, mm.
    """
    matrix = np.diag([*((LAST - FIRST) * half / (np.array(GRID[::-1]) - 1)), 1.0])
    matrix[:3, 3] = FIRST * half
    return matrix
