"""Compile every loop of the metrics, so that the first score doesn't wait: ``python -m evaluation.metrics.warm_up``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from evaluation.metrics.measurements import measure
from feta.grid import Grid
from feta.labels import LABEL_COUNT
from feta.volumes import Volume, read_label_map, write_label_map

SIDE = 24


def warm_up() -> None:
    """Measure one small pair as it is read from files, so that arrays have the types and layouts of any other."""
    labels = (np.indices((SIDE,) * 3).sum(0) * LABEL_COUNT // (3 * SIDE)).astype(np.uint8)
    grid = Grid((SIDE,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "truth.nii.gz", Path(folder) / "prediction.nii.gz"
        for path, array in zip(paths, (labels, np.roll(labels, 1, axis=0)), strict=True):
            write_label_map(path, Volume(array, grid))
        truth = read_label_map(paths[0])
        measure(truth, read_label_map(paths[1], truth.grid))


if __name__ == "__main__":
    warm_up()
