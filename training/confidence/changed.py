"""What causes that spoil volumes have in common: an image with other values, and a random field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.volumes import Volume

Image = npt.NDArray[np.float32]


def with_values(image: Volume, array: npt.NDArray) -> Volume:
    """An image of other values on its grid, float32."""
    return Volume(np.ascontiguousarray(array, np.float32), image.grid)


def random_field(grid: Grid, width_mm: float, draw: np.random.Generator) -> Image:
    """A random field (Z, Y, X) of standard deviation 1 that changes over so many millimetres."""
    steps = np.array(grid.spacing[::-1])
    shape = np.maximum(np.ceil(np.array(grid.shape) * steps / width_mm).astype(int) + 3, 4)
    knots = draw.normal(size=shape)
    places = [np.linspace(1, n - 2, count) for n, count in zip(shape, grid.shape, strict=True)]
    field = knots
    for axis, place in enumerate(places):
        low = np.floor(place).astype(int)
        part = np.expand_dims(place - low, tuple({0, 1, 2} - {axis}))
        smooth = part**2 * (3 - 2 * part)
        field = np.take(field, low, axis) * (1 - smooth) + np.take(field, low + 1, axis) * smooth
    return np.asarray(field, np.float32)
