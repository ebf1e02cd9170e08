"""Label maps that hold next to nothing are turned upright like any other."""

from __future__ import annotations

import numpy as np
import pytest

from feta.grid import Grid
from feta.volumes import Volume
from inference.biometry.midline_alignment import align_to_midline


@pytest.mark.parametrize("voxels", [[(0, 1, 0), (1, 0, 0)], [(1, 2, 2), (2, 1, 2), (2, 2, 1)]])
def test_a_few_voxels_that_lie_between_the_sampled_ones_are_no_error(voxels: list[tuple[int, int, int]]) -> None:
    grid = Grid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    labels = np.zeros((9, 9, 9), np.uint8)
    for z, y, x in voxels:
        labels[3 + z, 3 + y, 3 + x] = 2
    aligned = align_to_midline(Volume(labels, grid), np.eye(4))
    assert aligned is not None and np.isfinite(aligned.to_physical).all()
