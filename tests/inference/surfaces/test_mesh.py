"""The mesh around voxels: gudhi tells its topology, closed forms what it measures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import dblquad

from inference.surfaces.mesh import Mesh, mesh_of
from inference.surfaces.self_intersections import self_intersections
from inference.surfaces.shape import shape_of
from inference.surfaces.smoothing import FARTHEST, smoothed
from tests.support.topology_oracles import betti_numbers

MASKS = arrays(np.bool_, (4, 4, 4))


def directed(mesh: Mesh) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()]


def solid(
    half_axes: tuple[float, float, float], step: float = 1.0, off: tuple[float, ...] = (0.13, 0.21, 0.37)
) -> np.ndarray:
    """An ellipsoid (z, y, x), so far (voxels) off the grid's points, in voxels of some mm."""
    size = int(np.ceil(max(half_axes) / step)) * 2 + 5
    z, y, x = (np.indices((size,) * 3) - size // 2 + np.array(off)[:, None, None, None]) * step
    a, b, c = half_axes
    return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1


def in_mm(mesh: Mesh, step: float) -> Mesh:
    return mesh.moved(np.diag([step, step, step, 1.0]))


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_the_euler_characteristic_is_twice_that_of_the_voxels(mask: np.ndarray) -> None:
    components, loops, cavities = betti_numbers(mask)
    assert mesh_of(mask).euler == 2 * (components - loops + cavities)


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_every_edge_joins_two_triangles_that_run_along_it_in_opposite_ways(mask: np.ndarray) -> None:
    sides = directed(mesh_of(mask))
    assert len(set(sides)) == len(sides)
    assert {(b, a) for a, b in sides} == set(sides)


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_unsmoothed_it_never_meets_itself(mask: np.ndarray) -> None:
    assert self_intersections(mesh_of(mask)) == 0


def test_two_voxels_across_a_corner_stay_apart_and_two_holes_across_one_are_joined() -> None:
    corner = np.zeros((2, 2, 2), bool)
    corner[0, 0, 0] = corner[1, 1, 1] = True
    assert mesh_of(corner).euler == 4
    block = np.ones((4, 4, 4), bool)
    block[1, 1, 1] = block[2, 2, 2] = False
    assert mesh_of(block).euler == 4  # the block's outside, and one cavity


def test_a_torus_has_euler_characteristic_0() -> None:
    z, y, x = np.indices((9, 25, 25)) - np.array([4, 12, 12])[:, None, None, None]
    assert mesh_of((np.hypot(x, y) - 8) ** 2 + z**2 < 9).euler == 0


@pytest.mark.parametrize("radius", [6.0, 10.0, 20.0])
def test_a_sphere_has_its_area_volume_and_curvature(radius: float) -> None:
    shape = shape_of(smoothed(mesh_of(solid((radius,) * 3))))
    assert shape.area == pytest.approx(4 * np.pi * radius**2, rel=0.006)
    assert shape.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.015)
    assert shape.mean_curvature == pytest.approx(1 / radius, rel=0.01)
    assert shape.absolute_curvature == pytest.approx(1 / radius, rel=0.01)


@pytest.mark.parametrize(("radius", "error"), [(6.0, 0.012), (8.0, 0.01), (10.0, 0.007)])
def test_where_a_sphere_lies_between_voxels_changes_its_area_little(radius: float, error: float) -> None:
    places = [(0.0, 0.0, 0.0), *np.random.default_rng(7).uniform(-0.5, 0.5, (9, 3)).tolist()]
    areas = [shape_of(smoothed(mesh_of(solid((radius,) * 3, off=tuple(place))))).area for place in places]
    np.testing.assert_allclose(areas, 4 * np.pi * radius**2, rtol=error)


def test_an_ellipsoid_has_the_area_of_the_integral() -> None:
    a, b, c = half_axes = (14.0, 10.0, 7.0)

    def element(u: float, v: float) -> float:
        """Area by the polar angle u and the azimuth v."""
        normal = (np.sin(u) * np.cos(v) / a, np.sin(u) * np.sin(v) / b, np.cos(u) / c)
        return float(a * b * c * np.sin(u) * np.linalg.norm(normal))

    area = dblquad(element, 0, 2 * np.pi, 0, np.pi)[0]
    mesh = in_mm(smoothed(mesh_of(solid(half_axes, 0.5))), 0.5)
    assert shape_of(mesh).area == pytest.approx(area, rel=0.006)


def test_hollows_have_negative_curvature() -> None:
    ball = np.pad(~solid((6.0,) * 3), 12, constant_values=True)
    mesh = smoothed(mesh_of(ball))
    inner = np.linalg.norm(mesh.points - mesh.points.mean(axis=0), axis=1) < 8
    kept = mesh.triangles[inner[mesh.triangles].all(axis=1)]
    used, triangles = np.unique(kept, return_inverse=True)
    hollow = Mesh(mesh.points[used], triangles.reshape(-1, 3).astype(np.int32))
    assert shape_of(hollow).mean_curvature == pytest.approx(-1 / 6, rel=0.01)
    assert shape_of(hollow).volume < 0


@settings(max_examples=30, deadline=None)
@given(MASKS)
def test_smoothing_keeps_vertices_where_the_voxels_have_them(mask: np.ndarray) -> None:
    raw = mesh_of(mask)
    mesh = smoothed(raw)
    assert mesh.triangles is raw.triangles
    assert np.abs(mesh.points - raw.points).max(initial=0) <= FARTHEST + 1e-6


def test_a_mirror_image_still_points_outwards() -> None:
    mesh = mesh_of(solid((5.0,) * 3)).moved(np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert shape_of(mesh).volume > 0


def test_two_spheres_that_overlap_meet_along_a_circle_and_apart_nowhere() -> None:
    sphere = smoothed(mesh_of(solid((6.0,) * 3)))

    def beside(distance: float) -> Mesh:
        moved = sphere.points + np.array([distance, 0.05, 0.03])
        triangles = np.concatenate([sphere.triangles, sphere.triangles + len(sphere.points)])
        return Mesh(np.concatenate([sphere.points, moved]), triangles.astype(np.int32))

    assert self_intersections(sphere) == 0
    assert self_intersections(beside(13.0)) == 0
    # The circle is 33 mm long, and triangles are about a millimetre wide.
    assert self_intersections(beside(6.0)) > 33


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, (6, 3), elements=st.floats(-1, 1, width=16), unique=True))
def test_two_triangles_meet_where_linear_programming_finds_a_common_point(points: np.ndarray) -> None:
    from scipy.optimize import linprog

    points = points + 0.05 * np.sin(np.arange(18) * 7.3).reshape(6, 3)
    mesh = Mesh(points, np.array([[0, 1, 2], [3, 4, 5]], np.int32))
    system = np.vstack([np.hstack([points[:3].T, -points[3:].T]), [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    meets = linprog(np.zeros(6), A_eq=system, b_eq=[0, 0, 0, 1, 1], bounds=[(0, None)] * 6).status == 0
    assert (self_intersections(mesh) == 1) == meets
