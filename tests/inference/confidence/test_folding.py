"""Folding of bodies whose surface and volume are known in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from feta.labels import Tissue
from inference.biometry.midline_alignment import AlignedLabels
from inference.confidence.folding import folding

BALL, CUBE = np.log((36 * np.pi) ** (1 / 3)), np.log(6)
#: What a rounded edge takes off a cube: mm² for each mm of edge.
EDGE_MM = 1.1
Points = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def points(reach: float, spacing: float = 0.6, rotation: Rotation | None = None) -> Points:
    """(z, y, x) of voxels in a box that reaches so far from the origin, which lies between voxels, turned; mm."""
    at = np.arange(-np.ceil(reach / spacing) - 2, np.ceil(reach / spacing) + 3) * spacing + 0.213 * spacing
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    if rotation is None:
        return z, y, x
    turned = np.stack([x, y, z], axis=-1) @ rotation.as_matrix()
    return turned[..., 2], turned[..., 1], turned[..., 0]


def upright(inside: npt.NDArray[np.bool_], spacing: float = 0.6, tissue: Tissue = Tissue.WM) -> AlignedLabels:
    return AlignedLabels((tissue * inside).astype(np.uint8), np.zeros(3), np.eye(4), spacing)


def wavy(radius: float, height: float, spacing: float = 0.6, rotation: Rotation | None = None) -> AlignedLabels:
    """A ball with waves of a height (mm), a dozen around it."""
    z, y, x = points(radius + height, spacing, rotation)
    far = np.sqrt(x**2 + y**2 + z**2)
    waves = np.sin(12 * np.arctan2(y, x)) * (np.hypot(x, y) / far) ** 12
    return upright(far < radius + height * waves, spacing)


def cube(side: float, spacing: float, rotation: Rotation | None = None) -> AlignedLabels:
    return upright(np.max(np.abs(points(0.87 * side, spacing, rotation)), axis=0) < side / 2, spacing)


@pytest.mark.parametrize("spacing", [0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("radius", [15.0, 25.0, 35.0])
def test_a_ball_of_any_size_is_as_folded_as_the_formula_says(radius: float, spacing: float) -> None:
    z, y, x = points(radius, spacing)
    assert folding(upright(x**2 + y**2 + z**2 < radius**2, spacing)) == pytest.approx(BALL, abs=0.01)


@pytest.mark.parametrize("turned", [(0.0, 0, 0), (45, 0, 0), (30, 20, 10), (45, 35.26, 0)])
def test_a_cube_in_any_pose_is_as_folded_as_six_sides_less_its_edges(turned: tuple[float, float, float]) -> None:
    side = 60.0
    surface = 6 * side**2 - EDGE_MM * 12 * side
    found = folding(cube(side, 0.8, Rotation.from_euler("xyz", turned, degrees=True)))
    assert found == pytest.approx(np.log(surface / side**2), abs=0.01)


def test_edges_matter_the_less_the_larger_a_cube_is() -> None:
    assert folding(cube(110, 1.0)) == pytest.approx(CUBE, abs=0.025)


def test_waves_add_the_surface_that_they_have() -> None:
    """An outline r(a) = R + h sin 6 a is longer than a circle's, and the surface of a prism over it follows it."""
    radius, height, half = 30.0, 5.0, 35.0
    z, y, x = points(half, 0.6)
    outline = radius + height * np.sin(6 * np.arctan2(y, x))
    found = folding(upright((np.hypot(x, y) < outline) & (np.abs(z) < half)))
    angle = np.linspace(0, 2 * np.pi, 100_001)
    away, slope = radius + height * np.sin(6 * angle), 6 * height * np.cos(6 * angle)
    around, area = np.trapezoid(np.hypot(away, slope), angle), np.trapezoid(away**2 / 2, angle)
    surface = around * 2 * half + 2 * area - EDGE_MM * 2 * around
    assert found == pytest.approx(np.log(surface / (area * 2 * half) ** (2 / 3)), abs=0.02)


@pytest.mark.parametrize("height", [0.5, 1.0, 2.0, 3.0])
def test_the_higher_its_waves_the_more_folded_a_ball_is(height: float) -> None:
    assert folding(wavy(25, height)) > folding(wavy(25, height - 0.5)) + 0.001


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_hardly_matters_how_a_folded_brain_lies(seed: int) -> None:
    turned = wavy(20, 2.5, rotation=Rotation.random(random_state=seed))
    assert folding(turned) == pytest.approx(folding(wavy(20, 2.5)), abs=0.004)


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.integers(0, 5)] * 6))
def test_what_lies_around_it_does_not_matter(margins: tuple[int, ...]) -> None:
    there = wavy(15, 2.0)
    padded = np.pad(there.labels, [margins[:2], margins[2:4], margins[4:]])
    assert folding(upright(padded > 0)) == pytest.approx(folding(there), abs=0.001)


def test_white_matter_ventricles_and_deep_grey_matter_are_one_part() -> None:
    z, y, x = points(20.0)
    parts = np.select([z > 8, y > 5], [Tissue.VM, Tissue.SGM], Tissue.WM)
    inside = x**2 + y**2 + z**2 < 20**2
    several = AlignedLabels((parts * inside).astype(np.uint8), np.zeros(3), np.eye(4))
    assert folding(several) == folding(upright(inside))


@pytest.mark.parametrize("tissue", [Tissue.ECSF, Tissue.GM, Tissue.CBM, Tissue.BSM])
def test_tissues_outside_do_not_count(tissue: Tissue) -> None:
    ball = wavy(15, 0.0)
    around = np.where(ball.labels > 0, ball.labels, tissue).astype(np.uint8)
    assert folding(AlignedLabels(around, np.zeros(3), np.eye(4))) == folding(ball)


@pytest.mark.parametrize("tissue", [Tissue.BACKGROUND, Tissue.GM])
def test_without_such_a_part_it_is_unknown(tissue: Tissue) -> None:
    assert np.isnan(folding(upright(np.ones((5, 6, 7), bool), tissue=tissue)))


def test_without_an_upright_map_it_is_unknown() -> None:
    assert np.isnan(folding(None))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0005, 1.0))
def test_of_any_part_it_is_finite(seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    labels = np.where(draw.random((9, 8, 7)) < share, Tissue.WM, 0).astype(np.uint8)
    labels[4, 4, 4] = Tissue.WM
    assert np.isfinite(folding(AlignedLabels(labels, np.zeros(3), np.eye(4))))
