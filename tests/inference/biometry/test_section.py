"""Outlines to a fraction of a voxel, against ellipses whose chords have closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.biometry.mask_operations import solid
from inference.biometry.section import Plane, crossings, plane, smoothed

SPACING = 0.8
A, B = 14.0, 9.0


def ellipse(shift: tuple[float, float] = (0.0, 0.0), angle: float = 0.35, half: tuple[float, float] = (A, B)) -> Plane:
    """An ellipse's voxels, its long axis turned from the columns' axis."""
    axis = np.arange(-24, 24.1, SPACING)
    v, u = np.meshgrid(axis - shift[1], axis - shift[0], indexing="ij")
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    inside = np.hypot(along / half[0], across / half[1]) < 1
    return Plane(smoothed(inside, SPACING), axis[[0, 0]], SPACING)


shifts = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))


@settings(max_examples=10, deadline=None)
@given(shift=shifts, turn=st.floats(-1.5, 1.5))
def test_the_longest_chord_parallel_to_a_direction(shift: tuple[float, float], turn: float) -> None:
    start, end = ellipse(shift).chords((np.cos(0.35 + turn), np.sin(0.35 + turn))).longest()
    expected = 2 / np.hypot(np.cos(turn) / A, np.sin(turn) / B)
    assert np.linalg.norm(end - start) == pytest.approx(expected, abs=SPACING)


@settings(max_examples=10, deadline=None)
@given(shift=shifts)
def test_the_farthest_points_are_the_long_axis(shift: tuple[float, float]) -> None:
    start, end = ellipse(shift).chords((1.0, 0.0)).farthest()
    assert np.linalg.norm(end - start) == pytest.approx(2 * A, abs=SPACING)
    assert np.arctan2(*(end - start)[::-1]) == pytest.approx(0.35, abs=0.12)


@settings(max_examples=10, deadline=None)
@given(shift=shifts)
def test_the_extremes_are_the_outermost_points(shift: tuple[float, float]) -> None:
    start, end = ellipse(shift).chords((1.0, 0.0)).extremes()
    reach = np.hypot(A * np.cos(0.35), B * np.sin(0.35))
    assert [start[0], end[0]] == pytest.approx([shift[0] - reach, shift[0] + reach], abs=0.6 * SPACING)


def test_the_mean_error_over_shifts_is_a_fraction_of_a_voxel() -> None:
    rng = np.random.default_rng(0)
    ends = [ellipse(tuple(rng.uniform(-0.4, 0.4, 2))).chords((1.0, 0.0)).farthest() for _ in range(20)]
    errors = [np.linalg.norm(end - start) - 2 * A for start, end in ends]
    assert np.abs(errors).mean() < 0.2 * SPACING


def test_a_small_disc_keeps_its_width() -> None:
    """Smoothing alone draws it in by half the variance over the radius on either side, 0.2 mm in all."""
    widths = [
        np.subtract(*[e[0] for e in ellipse(shift, half=(3.3, 3.3)).chords((1.0, 0.0)).longest()[::-1]])
        for shift in [(0, 0), (0.2, 0.1), (0.4, 0.3), (0.1, 0.4), (0.3, 0.2)]
    ]
    assert np.mean(widths) == pytest.approx(6.6, abs=0.15)


def test_the_principal_axis_is_the_long_one() -> None:
    along, up = ellipse().principal_axis()
    assert np.arctan2(up, along) == pytest.approx(0.35, abs=0.02)


def test_the_largest_part_leaves_an_island_out() -> None:
    section = ellipse()
    field = section.field.copy()
    field[2:8, 2:8] = 1.0
    islanded = Plane(field, section.origin, SPACING)
    assert islanded.area > section.area
    assert islanded.largest_part().area == section.area


def test_a_section_between_slices_lies_between_them() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[5:15, 5:15, 4:12] = True
    axis_x = [plane(mask, np.zeros(3), 1.0, 0, x).area for x in (8.0, 11.0, 11.4, 11.6, 15.0)]
    assert axis_x[0] == 100
    assert 0 < axis_x[2] < axis_x[1]
    assert axis_x[3] == axis_x[4] == 0


@given(rise=st.floats(0.01, 0.99), fall=st.floats(0.01, 0.99))
def test_crossings_of_a_ramp(rise: float, fall: float) -> None:
    """Between two samples the field is a straight line."""
    values = np.array([[0, 0, 0.5 - rise, 1.5 - rise, 1, 0.5 + fall, fall - 0.5, 0], np.zeros(8)])
    first, last = crossings(values)
    assert [first[0], last[0]] == pytest.approx([2 + rise, 5 + fall])
    assert np.isnan([first[1], last[1]]).all()


def test_a_structure_at_the_border_ends_there() -> None:
    first, last = crossings(np.ones((1, 5)))
    assert [first[0], last[0]] == [0, 4]


def test_what_only_a_sheet_ties_to_a_structure_goes() -> None:
    """A network lays brain along the skull; a width must not reach there."""
    x, y = np.meshgrid(np.arange(90) * 0.6, np.arange(80) * 0.6)
    brain = np.hypot((x - 25) / 18, (y - 24) / 20) < 1
    island = np.hypot(x - 50, (y - 24) / 2) < 2.5
    bridge = (np.abs(y - 24) < 0.7) & (x > 40) & (x < 52)
    kept = solid(brain | island | bridge, 0.6, 2.0, 0.15)
    assert kept[brain].mean() > 0.99
    assert not kept[:, 77:].any()


def test_a_second_part_of_some_size_stays() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:35, 5:25] = mask[5:35, 35:50] = True
    assert (solid(mask, 0.6, 2.0, 0.15) == mask).mean() > 0.99


def test_a_structure_thinner_than_the_ball_is_left_alone() -> None:
    mask = np.zeros((20, 20), bool)
    mask[10:12, 3:17] = True
    assert np.array_equal(solid(mask, 0.6, 2.0, 0.15), mask)
