"""Compile every loop of a case, so that an image holds them: ``python -m inference.runs.warm_up``."""

from __future__ import annotations

import numpy as np

from inference.geometry import native_kernel
from inference.geometry.blur import gaussian_blur
from inference.geometry.profiles import profiles
from inference.report import sampling
from inference.topology import correction


def warm_up() -> None:
    """Run each loop once, on arrays of the types and layouts that a case has."""
    volume = np.zeros((4, 4, 4), np.float32)
    gaussian_blur(volume, (1.0, 1.0, 1.0), 2.5)
    profiles(volume)
    profiles(volume.astype(np.uint8))
    native_kernel.warm_up()
    correction.warm_up()
    sampling.warm_up()


if __name__ == "__main__":
    warm_up()
