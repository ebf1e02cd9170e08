"""A head, fluid and a mother around a brain-masked volume, for the robustness suite.

Drawn by distance from the brain and by fields of slow random change; nothing in it is learned from
or shared with the synthesis that networks are trained on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume

#: Air or mother that is added on every side, mm.
MARGIN_MM = 20.0
#: Thickness (mm) of what lies around the brain, from the inside: skull and scalp, least and most.
SKULL_MM, SCALP_MM = (1.5, 3.0), (2.0, 4.5)
#: Reach of the amniotic fluid beyond the scalp, mm: none where the head lies against the womb.
FLUID_MM = (0.0, 15.0)
#: Intensities as shares of the brain's mean.
SKULL, SCALP, FLUID, MOTHER = (0.15, 0.4), (0.6, 1.1), (1.4, 2.2), (0.4, 1.1)
#: Width (mm) of the slow fields, knots that draw it, and width of the point spread that softens the borders drawn.
SLOW_MM, ORGAN_MM, KNOTS, SOFT_MM = 20.0, 24.0, 4, 0.5


def with_head(pair: tuple[Volume, Volume], draw: np.random.Generator) -> tuple[Volume, Volume]:
    """Surround a brain-masked volume; no voxel of the brain changes.

    Args:
        pair: image and label map on one grid; what has a label, or signal, is the brain.
        draw: of random numbers.

    Returns:
        both on a larger grid, the label map with background around.
    """
    image, labels = (_widened(volume) for volume in pair)
    brain = ndimage.binary_fill_holes((labels.array > 0) | (image.array > 0))
    spacing = image.grid.spacing[::-1]
    distance = ndimage.distance_transform_edt(~brain, sampling=spacing).astype(np.float32)
    mean = float(pair[0].array[pair[1].array > 0].mean())
    around = mean * _surroundings(distance, spacing, draw)
    soft = ndimage.gaussian_filter(np.where(brain, image.array, around), [SOFT_MM / s for s in spacing])
    return Volume(np.where(brain, image.array, soft).astype(np.float32), image.grid), labels


def _surroundings(
    distance: npt.NDArray[np.float32], spacing: tuple[float, ...], draw: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Intensity around a brain of mean 1, by distance (mm) outside of it."""
    slow = _field(distance.shape, spacing, SLOW_MM, draw)
    skull = draw.uniform(*SKULL_MM) * (1 + 0.25 * slow)
    scalp = skull + draw.uniform(*SCALP_MM) * (1 + 0.25 * _field(distance.shape, spacing, SLOW_MM, draw))
    fluid = scalp + np.clip(draw.uniform(*FLUID_MM) + 6 * _field(distance.shape, spacing, SLOW_MM, draw), 0, None)
    organs = np.clip(_field(distance.shape, spacing, ORGAN_MM, draw), -2, 2)
    # Organs have borders: their level goes in steps, with a little texture in each.
    mother = draw.uniform(*MOTHER) * (1 + 0.25 * np.round(organs)) + 0.1 * organs
    around = np.where(distance < fluid, draw.uniform(*FLUID), np.clip(mother, 0, None))
    around = np.where(distance < scalp, draw.uniform(*SCALP), around)
    return np.where(distance < skull, draw.uniform(*SKULL), around).astype(np.float32)


def _field(
    shape: tuple[int, ...], spacing: tuple[float, ...], width: float, draw: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Slow random change of a given width (mm): mean 0, standard deviation 1."""
    # Drawn and smoothed on a coarse lattice, since cubic interpolation or a wide filter on the full one takes a minute.
    step = width / KNOTS
    coarse = draw.normal(size=[int(np.ceil(n * s / step)) + 2 for n, s in zip(shape, spacing, strict=True)])
    smooth = ndimage.gaussian_filter(coarse, KNOTS / 2).astype(np.float32)
    field = ndimage.affine_transform(smooth, [s / step for s in spacing], output_shape=shape, order=1)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _widened(volume: Volume) -> Volume:
    """A volume with zeros around, its content where it was."""
    grid = volume.grid
    room = [int(np.ceil(MARGIN_MM / s)) for s in grid.spacing]
    corner = grid.affine() @ [-room[0], -room[1], -room[2], 1]
    x, y, z = (n + 2 * r for n, r in zip(grid.size, room, strict=True))
    origin = (float(corner[0]), float(corner[1]), float(corner[2]))
    array = np.pad(volume.array, [(r, r) for r in reversed(room)])
    return Volume(array, Grid((x, y, z), grid.spacing, origin, grid.direction))
