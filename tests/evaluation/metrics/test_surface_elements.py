"""Areas and Euler shares of the corner codes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from surface_distance import lookup_tables

from evaluation.metrics.surface_elements import area_table, euler_table
from tests.support.masks import spacings


@given(spacings)
def test_areas_are_the_librarys_to_the_last_bit(spacing: tuple[float, float, float]) -> None:
    expected = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    np.testing.assert_array_equal(area_table(spacing), expected)


def _turned(code: int, axes: tuple[int, ...], flips: tuple[int, ...]) -> int:
    cube = np.unpackbits(np.array([code], dtype=np.uint8)).reshape(2, 2, 2)
    return int(np.packbits(np.flip(cube.transpose(axes), [i for i, f in enumerate(flips) if f]).ravel())[0])


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_no_direction_is_preferred(axes: tuple[int, ...]) -> None:
    spacing = (0.7, 1.1, 2.3)
    areas, turned = area_table(spacing), area_table(tuple(spacing[a] for a in axes))
    for code, flips in itertools.product(range(256), itertools.product((0, 1), repeat=3)):
        assert turned[_turned(code, axes, flips)] == pytest.approx(areas[code])
        assert euler_table()[_turned(code, axes, flips)] == euler_table()[code]


def test_inside_and_outside_have_no_part_in_anything() -> None:
    assert area_table((1.0, 1.0, 1.0))[[0, 255]].tolist() == [0, 0]
    assert euler_table()[[0, 255]].tolist() == [0, 0]
