import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.anatomy.velocity_field import determinants
from training.imaging.elastic import LEAST_VOLUME, corner_volumes, on_grid, random_displacement, unfolded
from training.imaging.random_source import RandomSource


@given(seed=st.integers(0, 2**31), knots=st.integers(2, 8), size=st.floats(0, 6))
@settings(max_examples=25, deadline=None)
def test_no_corner_of_a_drawn_lattice_folds(seed: int, knots: int, size: float) -> None:
    assert corner_volumes(random_displacement(RandomSource(seed), knots, 10.0, size), 10.0).min() >= LEAST_VOLUME


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6, deadline=None)
def test_nor_does_any_place_between_the_knots(seed: int) -> None:
    """On a fine grid, by finite differences."""
    knots, fine = 5, 33
    field = random_displacement(RandomSource(seed), knots, 12.0, 3.0)
    step = 12.0 * (knots - 1) / (fine - 1)
    at = torch.stack(torch.meshgrid(*[torch.arange(fine) * step] * 3, indexing="ij")[::-1], -1)
    positions = (at + on_grid(field, (fine,) * 3)).double().numpy()
    assert determinants(positions, step).min() > 0


def test_volumes_of_a_linear_displacement_are_its_determinant() -> None:
    matrix = torch.tensor([[0.1, 0.05, 0.0], [0.02, -0.2, 0.1], [0.0, 0.07, 0.3]])
    at = torch.stack(torch.meshgrid(*[torch.arange(4.0) * 5] * 3, indexing="ij")[::-1])
    displacement = torch.einsum("ij,jzyx->izyx", matrix, at)
    expected = float(torch.linalg.det(torch.eye(3) + matrix))
    assert np.allclose(corner_volumes(displacement, 5.0).numpy(), expected, atol=1e-4)


def test_a_small_displacement_is_left_as_it_is() -> None:
    small = 0.1 * RandomSource(0).normals(3, 5, 5, 5)
    assert torch.equal(unfolded(small, 10.0), small)


def test_the_displacement_has_the_size_asked_for() -> None:
    sizes = [
        float(on_grid(random_displacement(RandomSource(seed), 8, 20.0, 1.0), (40,) * 3).std()) for seed in range(6)
    ]
    assert np.mean(sizes) == pytest.approx(1.0, rel=0.15)
