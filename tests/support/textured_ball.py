"""A volume that is quickly made and no brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_image(path: Path, seed: int = 0, *, side: int = 40) -> Path:
    """A textured ball in the dark, 2 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    z, y, x = np.mgrid[:side, :side, :side] - (side - 1) / 2
    inside = x**2 + y**2 + z**2 < (0.45 * side) ** 2
    texture = 100 + 30 * np.sin(x / 3 + seed) * np.cos(y / 4) + np.random.default_rng(seed).normal(0, 3, inside.shape)
    image = sitk.GetImageFromArray(np.where(inside, texture, 0).astype(np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetOrigin((-30.0, 12.0, 7.0))
    sitk.WriteImage(image, str(path))
    return path
