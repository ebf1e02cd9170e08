"""What lies around a fetal brain: skull, scalp, face, neck, amniotic fluid and the mother.

None of it is learned: nobody scores it, but networks have to tell it from the brain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.labels import Tissue
from training.imaging.lattice import Lattice
from training.imaging.random_fields import Image, smooth_noise, stretched

Point = npt.NDArray[np.float64]
#: Distances are measured on a lattice of at least this spacing, mm.
_COARSE_MM = 1.6
#: What lies this near a surface, mm, lies within it.
_TOUCHING = 0.1


@dataclass(frozen=True)
class SurroundingsSettings:
    """Intensities against the ventricles' fluid, and thicknesses in mm.

    Attributes:
        bone, scalp, flesh, fluid, mother: intensities; flesh is that of face and neck.
        bone_mm, scalp_mm: thicknesses.
        closing_mm: gaps in the brain's outline up to twice as wide are bridged by the skull,
        pocket_mm: and those up to twice this wide are fluid, and belong to any mask of the brain.
        fluid_share: share of the space beyond the scalp that is amniotic fluid.
        texture: strength of the texture, as a share.
    """

    bone: float = 0.16
    scalp: float = 0.5
    flesh: float = 0.38
    fluid: float = 1.0
    mother: float = 0.38
    bone_mm: float = 1.2
    scalp_mm: float = 3.0
    closing_mm: float = 7.0
    pocket_mm: float = 3.0
    fluid_share: float = 0.5
    texture: float = 0.25


def coarse_lattice(lattice: Lattice) -> tuple[Lattice, int]:
    """A lattice over the same place for smooth quantities, and every how many samples it takes one."""
    step = int(np.ceil(_COARSE_MM / lattice.spacing))
    return lattice.every(step), step


def head_distances(
    inside: npt.NDArray[np.bool_], lattice: Lattice, settings: SurroundingsSettings
) -> tuple[Image, Image, Lattice]:
    """Distances outside the brain with its pockets, and outside the space that the skull leaves it.

    Args:
        inside: (z, y, x) bool, the brain on ``lattice``.
        lattice: where.
        settings: how wide gaps are bridged.

    Returns:
        Both in mm (z, y, x) float32 on a coarser lattice, 0 inside, and that lattice.
    """
    coarse, step = coarse_lattice(lattice)
    margin = int(settings.closing_mm / coarse.spacing) + 2
    brain = np.pad(inside[::step, ::step, ::step], margin)
    away = ndimage.distance_transform_edt(~brain) * coarse.spacing
    crop = (slice(margin, -margin),) * 3
    outside = []
    for reach in (settings.pocket_mm, settings.closing_mm):
        closed = brain | (ndimage.distance_transform_edt(away < reach) * coarse.spacing > reach)
        # The surface lies half a step before the first voxel outside.
        gone = (ndimage.distance_transform_edt(~closed)[crop] - 0.5) * coarse.spacing
        outside.append(np.maximum(gone, 0).astype(np.float32))
    return outside[0], outside[1], coarse


def paint_surroundings(
    image: Image,
    labels: npt.NDArray[np.uint8],
    from_brain: Image,
    from_vault: Image,
    lattice: Lattice,
    box: Point,
    settings: SurroundingsSettings,
    rng: np.random.Generator,
) -> None:
    """Paint everything outside the brain, in place.

    Args:
        image: (z, y, x) float32 of the brain.
        labels: (z, y, x) uint8, template labels 0–8.
        from_brain, from_vault: distances on the coarser lattice, from ``head_distances``.
        lattice: of the image.
        box: (2, 3) of the head, mm.
        settings: intensities and thicknesses.
        rng: for what is random.
    """
    _, step = coarse_lattice(lattice)
    places = tuple(np.arange(n) / step for n in image.shape)
    away = stretched(from_vault, places, cubic=False)
    away += 0.35 * smooth_noise(image.shape, 5 / lattice.spacing, rng)
    outside = labels == 0
    rest = _womb(lattice, away, settings, rng)
    flesh = settings.flesh * (1 + settings.texture * smooth_noise(image.shape, 2.0 / lattice.spacing, rng))
    _paint_body(rest, away, flesh, lattice, box, labels, settings, rng)
    scalp_texture = 1 + 0.5 * settings.texture * smooth_noise(image.shape, 1.5 / lattice.spacing, rng)
    bone, end = settings.bone_mm, settings.bone_mm + settings.scalp_mm
    skin = (away < end) & (rest != flesh)
    rest[skin] = (settings.scalp * scalp_texture)[skin]
    shell = away < bone
    rest[shell] = settings.bone
    gaps = away <= _TOUCHING
    rest[gaps] = 0.8 * flesh[gaps]
    pockets = stretched(from_brain, places, cubic=False) <= _TOUCHING
    rest[pockets] = 0.85 * settings.fluid
    image[outside] = np.maximum(rest[outside], 0.02)


def _womb(lattice: Lattice, away: Image, settings: SurroundingsSettings, rng: np.random.Generator) -> Image:
    """Amniotic fluid, and in it or around it the mother, the placenta, the fetus's own limbs."""
    large = smooth_noise(lattice.shape, 13 / lattice.spacing, rng) + 0.15 * smooth_noise(
        lattice.shape, 4 / lattice.spacing, rng
    )
    # Fluid lies near the head, the mother beyond it.
    large += np.clip((away - 14) / 16, -0.5, 1.0)
    level = np.quantile(large[::4, ::4, ::4], settings.fluid_share)
    fluid = np.clip((level - large) / 0.1, 0, 1)
    fine = smooth_noise(lattice.shape, 1.3 / lattice.spacing, rng)
    kinds = settings.mother * (1 + 0.5 * smooth_noise(lattice.shape, 9 / lattice.spacing, rng))
    tissue = np.clip(kinds, 0.12, 0.9) * (1 + 0.6 * settings.texture * fine)
    water = settings.fluid * (1 + 0.06 * smooth_noise(lattice.shape, 6 / lattice.spacing, rng))
    return np.asarray(fluid * water + (1 - fluid) * tissue, np.float32)


def _paint_body(
    rest: Image,
    away: Image,
    flesh: Image,
    lattice: Lattice,
    box: Point,
    labels: npt.NDArray[np.uint8],
    settings: SurroundingsSettings,
    rng: np.random.Generator,
) -> None:
    """Face with both eyes, and the neck with the spinal canal."""
    x, y, z = lattice.axes()
    low, high = box
    width, length, height = (high - low) / 2
    middle = (low + high) / 2
    forehead = middle[1] + 0.45 * length
    level = middle[2] - 0.45 * height
    face = (
        (x / (0.72 * width)) ** 2 + ((y - forehead) / (0.62 * length)) ** 2 + ((z - level) / (0.75 * height)) ** 2
    ) < 1
    stem = np.argwhere(labels == Tissue.BSM)
    root = lattice.origin + lattice.spacing * stem[stem[:, 0] <= stem[:, 0].min() + 2].mean(axis=0)[::-1]
    lean = y - root[1] - 0.22 * (z - root[2])
    beside = np.sqrt((x - root[0]) ** 2 + lean**2)
    below = z < root[2] + 2
    neck = (beside < 0.5 * width) & (z < middle[2] - 0.4 * height)
    body = face | neck
    rest[body] = flesh[body]
    rest[below & (beside < 9.0)] = settings.bone * 1.3
    rest[below & (beside < 5.5)] = 0.9 * settings.fluid
    rest[below & (beside < 3.2)] = 1.2 * settings.flesh
    radius = float(0.19 * width)
    for side in (-1, 1):
        centre = np.array([side * 0.42 * width, middle[1] + 0.80 * length, level + 0.05 * height])
        centre += rng.normal(0, 0.4, 3)
        k, j, i = _around(lattice, centre, radius + 1.2)
        eye, beside, ahead, above = rest[k, j, i], x[..., i] - centre[0], y[:, j] - centre[1], z[k] - centre[2]
        gone = np.sqrt(beside**2 + ahead**2 + above**2)
        eye[gone < radius + 1.2] = settings.bone * 1.5
        eye[gone < radius] = 0.92 * settings.fluid
        lens = np.sqrt(beside**2 + (y[:, j] - centre[1] - 0.6 * radius) ** 2 + above**2)
        eye[lens < 0.35 * radius] = settings.flesh


def _around(lattice: Lattice, centre: Point, reach: float) -> tuple[slice, ...]:
    """Part (z, y, x) of a lattice that holds a ball: its centre (x, y, z) and radius, mm."""
    low = np.clip(np.floor(lattice.index(centre - reach)), 0, lattice.shape[::-1]).astype(int)
    high = np.clip(np.ceil(lattice.index(centre + reach)) + 1, 0, lattice.shape[::-1]).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
