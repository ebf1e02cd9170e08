"""Compile every loop of a simulation, so that the first cohort doesn't wait: ``python -m training.scanner.warm_up``."""

from __future__ import annotations

import numpy as np

from inference.topology import correction
from training.anatomy.kernels import flow, interpolate, label_points
from training.scanner.slice_kernels import cut, diffuse, resampled, spread


def warm_up() -> None:
    """Run each loop once, on arrays of the types and layouts that a case has."""
    volume, slices = np.zeros((2, 4, 4, 4), np.float32)
    maps, profile, chosen = np.zeros((4, 3, 4)), np.zeros(1), np.zeros(slices.shape, np.bool_)
    cut(volume, maps, profile, profile, chosen)
    spread(slices, maps, profile, profile, slices, volume, volume)
    diffuse(volume, 0.1, 0.1)
    resampled(volume, np.eye(4)[:3], 1, 1, 1)
    points = np.ones((1, 3))
    flow(np.zeros((4, 4, 4, 3)), points, 1.0, 1)
    interpolate(np.zeros((4, 4, 4, 3), np.float32), points.astype(np.float32))
    label_points(np.zeros((4, 4, 4, 9), np.float32), volume.astype(np.uint8), volume, points.astype(np.float32))
    correction.warm_up()


if __name__ == "__main__":
    warm_up()
