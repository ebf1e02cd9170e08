"""Hospitals of a simulated cohort: how each scans, reconstructs and stores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from feta.grid import Grid

#: Field of view, mm: 256 voxels of 0.5 mm, as most reconstructions have.
FIELD_OF_VIEW = 128.0


@dataclass(frozen=True)
class Site:
    """What the volumes of one site have in common.

    Attributes:
        name: as participants.tsv spells it.
        reconstruction: name of the software, the ``rec-`` of file names.
        field_strength: as participants.tsv spells it.
        voxel: mm.
        masked: whether everything outside the brain's mask is zero.
        stray: islands of signal that masking left over.
        axes: directions in which the voxel axes (x, y, z) grow, such as ``RAS``.
        oblique: degrees by which the header turns the axes.
        turn: spread of the head's own rotation, degrees.
        blur: standard deviation of the point spread, mm.
        noise: standard deviation, as a share of the brightest tissue.
        bias: strength of the shading.
        contrast: power that stretches (above 1) or flattens the tissues' intensities.
        in_domain: whether participants see cases of this site for training.
    """

    name: str
    reconstruction: str
    field_strength: str
    voxel: float
    masked: bool
    stray: int
    axes: str
    oblique: float
    turn: float
    blur: float
    noise: float
    bias: float
    contrast: float
    in_domain: bool


SITES = (
    Site("North", "mial", "1.5T", 0.8, True, 2, "RAS", 0.0, 4.0, 0.45, 0.025, 0.10, 1.0, True),
    Site("East", "nmic", "3T", 0.7, False, 0, "LPS", 12.0, 6.0, 0.40, 0.020, 0.25, 1.15, True),
    Site("South", "irtk", "1.5T", 1.0, False, 0, "IAR", 0.0, 9.0, 0.60, 0.045, 0.15, 0.9, False),
    Site("West", "nmic", "3T", 0.5, True, 0, "ASR", 0.0, 6.0, 0.40, 0.035, 0.20, 1.1, True),
    Site("Centre", "svrtk", "0.55T", 0.8, True, 4, "PIL", 8.0, 9.0, 0.80, 0.060, 0.10, 0.8, False),
)


def draw_sites(count: int, voxel: float | None = None, coarsest: float = 0.0) -> tuple[Site, ...]:
    """The first sites; beyond the fifth they come again under another name.

    Args:
        count: how many.
        voxel: mm, in place of every site's own.
        coarsest: mm, below which no voxel size goes.
    """
    sites = []
    for i in range(count):
        site = SITES[i % len(SITES)]
        name = site.name if i < len(SITES) else f"{site.name} {i // len(SITES) + 1}"
        sites.append(replace(site, name=name, voxel=voxel or max(site.voxel, coarsest)))
    return tuple(sites)


#: Directions in LPS, the physical space of SimpleITK.
_DIRECTIONS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


def draw_grid(site: Site, rng: np.random.Generator) -> Grid:
    """The grid of one volume of a site, its centre somewhere near the scanner's."""
    direction = np.array([_DIRECTIONS[letter] for letter in site.axes], np.float64).T
    if site.oblique:
        direction = draw_rotation(site.oblique, rng) @ direction
    n = round(FIELD_OF_VIEW / site.voxel)
    middle = rng.uniform(-40, 40, 3)
    x, y, z = middle - direction @ np.full(3, (n - 1) / 2 * site.voxel)
    return Grid((n, n, n), (site.voxel,) * 3, (float(x), float(y), float(z)), tuple(map(float, direction.ravel())))


def draw_rotation(degrees: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A rotation (3, 3) by about an angle, half to one and a half times it, around a random axis."""
    axis = rng.normal(size=3)
    axis *= np.deg2rad(degrees) * rng.uniform(0.5, 1.5) / np.linalg.norm(axis)
    return Rotation.from_rotvec(axis).as_matrix()
