"""Two concentric balls as labelled volumes: enough for every line of training to run in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_balls(root: Path, names: tuple[str, ...], side: int = 40, spacing: float = 2.0) -> Path:
    """A labelled BIDS folder in which each subject is nested balls of all seven labels."""
    centre = (side - 1) / 2
    z, y, x = np.meshgrid(*[np.arange(side) - centre] * 3, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + (1.2 * x) ** 2)
    for name in names:
        labels = np.zeros((side,) * 3, np.uint8)
        for label, reach in enumerate((14, 12, 10, 8, 6, 4, 2), start=1):
            labels[radius < reach] = label
        image = np.array([0, 900, 300, 500, 1000, 350, 400, 450], np.float32)[labels]
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        for array, ending in ((image, "T2w"), (labels, "T2w_dseg")):
            volume = sitk.GetImageFromArray(array)
            volume.SetSpacing((spacing,) * 3)
            sitk.WriteImage(volume, str(folder / f"{name}_rec-x_{ending}.nii.gz"))
    return root
