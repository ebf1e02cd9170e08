"""Hospitals of a simulated cohort, from ``configs/cohort.yaml``: how each scans, reconstructs and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from training.scanner.appearance import Contrast
from training.scanner.reconstruction import FusionSettings

#: Field of view, mm: 256 voxels of 0.5 mm, as most reconstructions have.
FIELD_OF_VIEW = 128.0

#: Slices are no thinner than this many stored voxels.
_THINNEST = 2.0


@dataclass(frozen=True)
class Site:
    """What the volumes of one site have in common.

    Attributes:
        name: as participants.tsv spells it; it says that the site is simulated.
        reconstruction: name of the software, the ``rec-`` of file names.
        field_strength: as participants.tsv spells it.
        in_domain: whether participants see cases of this site for training.
        voxel: mm.
        masked: whether everything outside the brain's mask is zero.
        stray: islands of signal that masking left over.
        axes: directions in which the voxel axes (x, y, z) grow, such as ``RAS``.
        oblique: degrees by which the header turns the axes.
        turn: spread of the head's own rotation, degrees.
        quality: mean of the image quality, 0–4.
        quality_sd: its spread.
        in_plane: pixel of a slice, mm.
        thickness: of a slice, mm.
        noise: factor on the noise of the slices.
        bias: strength of the shading.
        contrast: intensity of each tissue.
        fusion: how slices are fused.
    """

    name: str
    reconstruction: str
    field_strength: str
    in_domain: bool
    voxel: float
    masked: bool
    stray: int
    axes: str
    oblique: float
    turn: float
    quality: float
    quality_sd: float
    in_plane: float
    thickness: float
    noise: float
    bias: float
    contrast: Contrast
    fusion: FusionSettings

    def __post_init__(self) -> None:
        if len(self.axes) != 3 or {frozenset("LR"), frozenset("PA"), frozenset("SI")} != {
            _axis(letter) for letter in self.axes
        }:
            raise ValueError(f"axes {self.axes!r} must name one direction of each axis, as RAS does")


def draw_sites(
    presets: Sequence[Site], count: int, voxel: float | None = None, coarsest: float = 0.0
) -> tuple[Site, ...]:
    """The first sites; when there are no more they come again under another name.

    Args:
        presets: sites to choose from.
        count: how many.
        voxel: mm, in place of every site's own.
        coarsest: mm, below which no voxel size goes.
    """
    sites = []
    for i in range(count):
        site = presets[i % len(presets)]
        name = site.name if i < len(presets) else f"{site.name}-{i // len(presets) + 1}"
        size = voxel or max(site.voxel, coarsest)
        # Coarse cohorts, for tests, are scanned as coarsely as they are stored.
        in_plane = max(site.in_plane, size)
        thickness = max(site.thickness, _THINNEST * size)
        fusion = replace(site.fusion, spacing=max(site.fusion.spacing, size))
        sites.append(replace(site, name=name, voxel=size, in_plane=in_plane, thickness=thickness, fusion=fusion))
    return tuple(sites)


#: Directions in LPS, the physical space of SimpleITK.
_DIRECTIONS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


def _axis(letter: str) -> frozenset[str]:
    return next((frozenset(pair) for pair in ("LR", "PA", "SI") if letter in pair), frozenset())


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
