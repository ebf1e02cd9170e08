"""Volumes that are no fetal brain, quickly made: a bottle, noise, a body, and a made-up brain with a part missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from feta.grid import Grid
from feta.volumes import Volume

SIDE, SPACING = 64, 2.0


def _at() -> tuple[npt.NDArray[np.float64], ...]:
    middle = (SIDE - 1) / 2
    return tuple(SPACING * (axis - middle) for axis in np.mgrid[:SIDE, :SIDE, :SIDE])


def _volume(values: npt.NDArray) -> Volume:
    grid = Grid((SIDE,) * 3, (SPACING,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    grain = np.random.default_rng(0).normal(0, 4, values.shape)
    return Volume(np.where(values > 0, np.maximum(values + grain, 1), 0).astype(np.float32), grid)


def bottle() -> Volume:
    """An ellipsoid of one fluid, brighter at one end, as a phantom in a coil is."""
    z, y, x = _at()
    return _volume(np.where((x / 35) ** 2 + (y / 35) ** 2 + (z / 55) ** 2 < 1, 400 + 2 * z, 0))


def noise() -> Volume:
    """The magnitude of noise alone."""
    draw = np.random.default_rng(1).normal(0, 50, (2, SIDE, SIDE, SIDE))
    return _volume(np.hypot(*draw))


def body() -> Volume:
    """A tube of flesh with two dark lungs and a bright spine."""
    z, y, x = _at()
    flesh = np.where((x / 60) ** 2 + (y / 40) ** 2 < 1, 150.0, 0.0)
    for side in (-25, 25):
        flesh[((x - side) / 18) ** 2 + (y / 25) ** 2 + (z / 45) ** 2 < 1] = 30
    flesh[(x**2 + (y - 28) ** 2 < 64)] = 330
    return _volume(flesh)


STRANGERS: dict[str, Callable[[], Volume]] = {"bottle": bottle, "noise": noise, "body": body}
