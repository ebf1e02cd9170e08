"""Lines between landmarks, and the image that holds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feta.grid import Grid
from feta.measurements import LANDMARK_LABELS, MEASUREMENTS, Measurement
from inference.biometry.line import Line, landmark_image

GRID = Grid((20, 24, 30), (0.5, 0.8, 1.2), (-5.0, 3.0, 2.0), (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
points = st.tuples(*[st.floats(-60, 60)] * 3)


def test_length_is_a_distance_in_space() -> None:
    assert Line((1, 2, 3), (4, 6, 15)).length == pytest.approx(13)


def test_moving_keeps_the_length() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (5, 6, 7)
    moved = Line((1, 0, 0), (0, 2, 0)).moved(matrix)
    assert moved == Line((5, 7, 7), (3, 6, 7))


@given(st.dictionaries(st.sampled_from(MEASUREMENTS), st.builds(Line, points, points)))
def test_each_length_has_exactly_two_voxels(lines: dict[Measurement, Line]) -> None:
    image = landmark_image(lines, GRID)
    assert image.shape == (30, 24, 20)
    counts = np.bincount(image.ravel(), minlength=6)
    assert [counts[LANDMARK_LABELS[m]] for m in MEASUREMENTS] == [2 if m in lines else 0 for m in MEASUREMENTS]


def test_voxels_lie_where_the_ends_are() -> None:
    matrix = GRID.affine()
    ends = [tuple(matrix[:3, :3] @ index + matrix[:3, 3]) for index in ([3, 4, 5], [17, 20, 28])]
    image = landmark_image({Measurement.HV: Line(*ends)}, GRID)
    assert np.argwhere(image == LANDMARK_LABELS[Measurement.HV]).tolist() == [[5, 4, 3], [28, 20, 17]]
