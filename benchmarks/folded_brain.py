"""A made-up 256³ label map with a folded cortex, and predictions of it, for timing alone.

Only its complexity is lifelike (a surface of about half a million corners for
the grey matter at 0.5 mm); nothing in it is anatomy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume, read_label_map, write_label_map

SIZE = 256
SPACING_MM = 0.5
Labels = npt.NDArray[np.uint8]


def folded_brain(size: int = SIZE, seed: int = 0) -> Labels:
    """Labels 0–7, (z, y, x) uint8: shells around a centre whose radius is folded by band-limited noise."""
    generator = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, size, dtype=np.float32)[s] for s in np.ix_(*[np.arange(size)] * 3))
    radius = np.sqrt((z / 0.62) ** 2 + (y / 0.78) ** 2 + (x / 0.66) ** 2)
    folds = _smooth_noise(generator, size, size // 26) * 0.085
    labels = np.zeros((size,) * 3, dtype=np.uint8)
    labels[radius < 1.06] = 1
    labels[radius + folds < 0.95] = 2
    labels[radius + 1.15 * folds < 0.86] = 3
    for label, centre, half in (
        (4, (0.05, -0.05, 0.0), (0.10, 0.24, 0.14)),
        (6, (-0.08, 0.05, 0.0), (0.10, 0.18, 0.16)),
        (5, (-0.50, -0.42, 0.0), (0.15, 0.18, 0.27)),
        (7, (-0.50, -0.10, 0.0), (0.24, 0.09, 0.09)),
    ):
        inside = sum(((a - c) / h) ** 2 for a, c, h in zip((z, y, x), centre, half, strict=True))
        labels[inside + 2 * folds < 1] = label
    return labels


def predicted(truth: Labels, seed: int = 1, stray: float = 0.0) -> Labels:
    """The truth warped by up to about two voxels, with a share of ``stray`` voxels of any label anywhere."""
    generator = np.random.default_rng(seed)
    size = truth.shape[0]
    at = [i + 1.2 * _smooth_noise(generator, size, 12) for i in np.indices(truth.shape, dtype=np.float32)]
    labels = ndimage.map_coordinates(truth, at, order=0, mode="nearest").astype(np.uint8)
    if stray:
        places = generator.random(truth.shape) < stray
        labels[places] = generator.integers(0, 8, int(places.sum()))
    return labels


def write_pair(folder: Path, stray: float = 0.0, size: int = SIZE) -> tuple[Path, Path]:
    """Write truth and prediction; gives their paths."""
    spacing = (SPACING_MM * SIZE / size,) * 3
    grid = Grid((size,) * 3, spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    truth = folded_brain(size)
    paths = folder / "truth.nii.gz", folder / "prediction.nii.gz"
    for path, labels in zip(paths, (truth, predicted(truth, stray=stray)), strict=True):
        write_label_map(path, Volume(labels, grid))
    return paths


def write_specked(folder: Path, truth: Path, share: float = 0.002) -> tuple[Path, Path]:
    """Write a prediction of a label map with stray voxels of any label over the whole volume; gives both paths."""
    volume = read_label_map(truth)
    prediction = folder / "specked.nii.gz"
    write_label_map(prediction, Volume(predicted(volume.array, stray=share), volume.grid))
    return truth, prediction


def _smooth_noise(generator: np.random.Generator, size: int, knots: int) -> npt.NDArray[np.float32]:
    """Noise of about unit variance that changes over ``size / knots`` voxels."""
    coarse = generator.standard_normal((knots + 3,) * 3).astype(np.float32)
    fine = ndimage.zoom(coarse, size / knots, order=2)[:size, :size, :size]
    return fine / fine.std()
