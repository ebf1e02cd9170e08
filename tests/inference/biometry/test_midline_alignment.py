"""Label maps that hold next to nothing are turned upright like any other."""

from __future__ import annotations

import numpy as np
import pytest

from feta.grid import Grid
from feta.volumes import Volume
from inference.biometry.midline_alignment import align_to_midline


@pytest.mark.parametrize("voxels", [[(0, 0, 0)], [(0, 1, 0), (1, 0, 0)], [(1, 2, 2), (2, 1, 2), (2, 2, 1)]])
@pytest.mark.parametrize("shift", [0.0, 0.2, 0.45])
def test_of_a_few_voxels_the_upright_map_holds_some_or_there_is_none(
    voxels: list[tuple[int, int, int]], shift: float
) -> None:
    grid = Grid((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    labels = np.zeros((9, 9, 9), np.uint8)
    for z, y, x in voxels:
        labels[3 + z, 3 + y, 3 + x] = 2
    to_canonical = np.eye(4)
    to_canonical[:3, 3] = shift
    aligned = align_to_midline(Volume(labels, grid), to_canonical)
    assert aligned is None or aligned.labels.any()
