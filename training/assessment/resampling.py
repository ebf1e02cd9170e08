"""Rotation, rigid motion and other spacings of an image and its label map, for the robustness suite."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume

#: An image and its label map on one axis-aligned grid.
Pair = tuple[Volume, Volume]
#: Room around a volume (mm) that lets it turn without being cut.
ROOM_MM = 30.0
#: A point spread's full width at half maximum in standard deviations.
SD_TO_FWHM = 2.3548


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


def move_rigidly(image: Volume, shift: npt.NDArray[np.float64], degrees: npt.NDArray[np.float64]) -> npt.NDArray:
    """The image (z, y, x) with its content moved (mm) and turned about the middle, on the same grid."""
    spacing = np.asarray(image.grid.spacing)
    matrix = np.diag(1 / spacing) @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag(spacing)
    offset = _middle(image.grid) - matrix @ _middle(image.grid) + shift / spacing
    return _sampled(image.array, matrix, offset, image.array.shape, 1)


def respaced_grid(grid: Grid, spacing: float) -> Grid:
    """The grid that covers the same box with voxels of another size."""
    x, y, z = (max(1, round(n * s / spacing)) for n, s in zip(grid.size, grid.spacing, strict=True))
    step = np.reshape(grid.direction, (3, 3))
    middle = np.asarray(grid.origin) + step @ (_middle(grid) * grid.spacing)
    corner = middle - step @ ((np.array([x, y, z]) - 1) / 2 * spacing)
    return Grid((x, y, z), (spacing,) * 3, (float(corner[0]), float(corner[1]), float(corner[2])), grid.direction)


def on_grid(array: npt.NDArray[np.float32], source: Grid, target: Grid) -> npt.NDArray[np.float32]:
    """An array on another grid with the same middle and directions, blurred first where voxels get wider."""
    old, new = np.asarray(source.spacing), np.asarray(target.spacing)
    blur = np.sqrt(np.clip(new**2 - old**2, 0, None)) / SD_TO_FWHM / old
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
