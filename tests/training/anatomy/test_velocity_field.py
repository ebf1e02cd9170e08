"""Flows: there and back, nothing folds, nothing tears; and what they are made of has the size it should."""

from __future__ import annotations

import gudhi
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from training.anatomy.kernels import flow, interpolate, label_points
from training.anatomy.template import best_labels
from training.anatomy.template_landmarks import label_shares
from training.anatomy.velocity_field import Deformation, determinants, random_velocity, swelling_velocity
from training.imaging.lattice import Lattice

LATTICE = Lattice(np.array([-36.0, -36.0, -36.0]), 3.0, (25, 25, 25))


def strong(seed: int) -> Deformation:
    """Twice as strong as any individual's."""
    return Deformation(LATTICE, random_velocity(np.random.default_rng(seed), LATTICE, (20.0, 6.0), (2.5, 1.2)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_there_and_back_again(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-30, 30, (200, 3))
    deformation = strong(seed)
    warped = deformation.warp(points)
    assert np.abs(warped - points).max() > 0.5
    assert np.abs(deformation.warp(warped, -1.0) - points).max() < 0.01


def betti_numbers(mask: np.ndarray) -> list[int]:
    cells = gudhi.CubicalComplex(vertices=np.where(mask, 0.0, 1.0))
    cells.compute_persistence(homology_coeff_field=2, min_persistence=0)
    return [int(n) for n in cells.persistent_betti_numbers(0.0, 0.0)][:3]


@pytest.mark.parametrize("seed", [1, 2])
def test_components_loops_and_cavities_stay(seed: int) -> None:
    """A ring and a hollow ball, bent, at 1 mm."""
    axis = np.arange(-28.0, 28.0, 1.0)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")[::-1], axis=-1)

    def drawn(p: np.ndarray) -> np.ndarray:
        ring = np.hypot(np.hypot(p[..., 0], p[..., 1]) - 15, p[..., 2] + 11) < 4.5
        shell = np.abs(np.linalg.norm(p - [0, 0, 10], axis=-1) - 8.5) < 3.0
        return ring | shell

    straight = drawn(places)
    bent = drawn(strong(seed).warp(places.reshape(-1, 3), -1.0).reshape(places.shape))
    assert (straight != bent).mean() > 0.01
    assert betti_numbers(bent) == betti_numbers(straight) == [2, 1, 1]


def test_no_cell_folds_and_volumes_agree() -> None:
    """Finite differences on a fine grid and along the flow give the same change of volume."""
    deformation = strong(3)
    grid = Lattice(np.full(3, -24.0), 1.0, (48, 48, 48))
    places = grid.positions()
    found = determinants(deformation.warp(places.reshape(-1, 3)).reshape(places.shape), 1.0)
    assert found.min() > 0.05
    middles = places[:-1, :-1, :-1].reshape(-1, 3) + 0.5
    assert deformation.volume_change(middles).mean() == pytest.approx(found.mean(), rel=0.01)


def test_a_fold_has_a_negative_determinant() -> None:
    places = LATTICE.positions()
    places[..., 0] = np.abs(places[..., 0])
    assert determinants(places, LATTICE.spacing).min() == pytest.approx(-1)


def test_random_velocities_are_as_strong_as_said() -> None:
    fields = [random_velocity(np.random.default_rng(seed), LATTICE, (8.0, 5.0), (0.3, 0.4)) for seed in range(6)]
    assert np.std(fields) == pytest.approx(0.5, rel=0.1)
    assert not np.allclose(fields[0][..., 0], fields[0][..., ::-1, 0], atol=0.05)


def test_swelling_grows_its_source_and_leaves_the_border_where_it_is() -> None:
    places = LATTICE.positions()
    source = np.exp(-np.sum(places**2, axis=-1) / 2 / 9.0**2)
    deformation = Deformation(LATTICE, 0.5 * swelling_velocity(LATTICE, source))
    inside = np.random.default_rng(0).normal(size=(300, 3))
    inside *= 4 / np.linalg.norm(inside, axis=1, keepdims=True)
    assert deformation.volume_change(inside).mean() == pytest.approx(np.exp(0.5 * 0.87), rel=0.08)
    warped = deformation.warp(np.array([[-36.0, 5, 5], [3, 36, -8]]))
    assert warped[0, 0] == pytest.approx(-36, abs=0.25)
    assert warped[1, 1] == pytest.approx(36, abs=0.25)


def test_interpolation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    field, points = rng.normal(size=(5, 6, 7, 3)), rng.uniform(-2, 9, (500, 3))
    index = np.clip(points[:, ::-1], 0, [4, 5, 6]).T
    expected = np.stack([map_coordinates(field[..., c], index, order=1) for c in range(3)], axis=1)
    assert np.allclose(interpolate(field, points), expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_a_block_of_points_flows_to_the_bit_as_runge_and_kutta_wrote(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(5, 6, 7, 3))
    points = rng.uniform(-1, 7, (int(rng.integers(1, 150)), 3))
    steps, h, expected = 3, -1.0 / 3, points
    for _ in range(steps):
        a = interpolate(field, expected)
        b = interpolate(field, expected + h / 2 * a)
        c = interpolate(field, expected + h / 2 * b)
        d = interpolate(field, expected + h * c)
        expected = expected + h / 6 * (a + 2 * b + 2 * c + d)
    np.testing.assert_array_equal(flow(field, points, -1.0, steps), expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_the_best_label_is_that_of_numpy_with_ties_too(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 4, (9, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(best_labels(torch.from_numpy(scores)), scores.argmax(0))


def test_shares_of_labels_are_means_over_their_cells() -> None:
    labels = np.random.default_rng(3).integers(0, 9, (6, 9, 12)).astype(np.uint8)
    shares = label_shares(labels, 3)
    assert shares.shape == (9, 2, 3, 4)
    for label, z, y, x in np.ndindex(shares.shape):
        cell = labels[3 * z : 3 * z + 3, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3]
        assert shares[label, z, y, x] == (cell == label).mean()


def test_labels_are_those_of_every_score_interpolated() -> None:
    """The short cut where all corners agree changes nothing: torch's interpolation of all scores is the oracle."""
    rng = np.random.default_rng(2)
    scores = torch.from_numpy(rng.normal(size=(9, 8, 9, 10)).astype(np.float32))
    scores[3, :, :, 5:] += 3
    signal = torch.from_numpy(rng.normal(size=(8, 9, 10)).astype(np.float32))
    points = rng.uniform(-1, 11, (4000, 3)).astype(np.float32)
    scaled = torch.from_numpy(points) * torch.tensor([2 / 9, 2 / 8, 2 / 7]) - 1
    stacked = torch.cat([scores, signal[None]])[None]
    found = F.grid_sample(stacked, scaled[None, None, None], padding_mode="border", align_corners=True)[0, :, 0, 0]
    best = scores.argmax(0).to(torch.uint8).numpy()
    labels, values = label_points(scores.permute(1, 2, 3, 0).contiguous().numpy(), best, signal.numpy(), points)
    assert (labels != found[:9].argmax(0).numpy()).mean() < 0.001
    assert np.allclose(values, found[9].numpy(), atol=1e-5)
