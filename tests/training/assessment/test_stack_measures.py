"""What is measured on stacks whose noise, shading, brightness and slice profile are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feta.grid import Grid
from feta.volumes import Volume
from training.assessment.stack_measures import brightness_changes, measure_stack, noise, shading, slice_profile

SHAPE = (16, 40, 40)
EVERYWHERE = np.ones(SHAPE, bool)


def anatomy(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Without a preferred direction: white noise, blurred alike along all axes (sd 2 voxels), mean 100 and sd 20."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.0, mode="wrap")
    return (100 + 20 * field / field.std()).astype(np.float32)


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_noise_is_found_beside_ramps_and_a_few_edges(sigma: float) -> None:
    image = np.indices(SHAPE).sum(0).astype(np.float32) + 300.0
    image[:, :, 20] += 500.0
    noisy = image + np.random.default_rng(1).normal(0, sigma, SHAPE).astype(np.float32)
    laplacian, difference = noise(noisy, EVERYWHERE)
    assert laplacian == pytest.approx(sigma, rel=0.12)
    assert difference == pytest.approx(sigma, rel=0.12)


def test_noise_that_neighbours_share_is_less_by_the_laplacian() -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(2).normal(0, 9, SHAPE), (0, 0.8, 0.8)).astype(np.float32)
    laplacian, difference = noise(300 + smooth, EVERYWHERE)
    assert laplacian < 0.8 * difference


def test_too_few_voxels_have_no_noise() -> None:
    few = np.zeros(SHAPE, bool)
    few[3, 3:8, 3:8] = True
    assert np.isnan(noise(anatomy(SHAPE), few)).all()


def test_one_dark_slice_is_told_and_a_slow_change_is_not() -> None:
    image = np.full(SHAPE, 100.0, np.float32) * np.exp(0.05 * np.arange(SHAPE[0], dtype=np.float32))[:, None, None]
    image[10] *= 0.7
    changes = brightness_changes(image, EVERYWHERE)
    assert changes[9] == pytest.approx(np.log(0.7), abs=1e-4)  # the first slice has no neighbour before it
    assert np.abs(np.delete(changes, [8, 9, 10])).max() < 1e-4


def test_shading_is_found_to_its_scale() -> None:
    _, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 0.35 * x - 0.2 * y * y
    texture = np.random.default_rng(3).normal(0, 0.02, SHAPE)
    image = (500 * np.exp(field + texture)).astype(np.float32)
    assert shading(image, EVERYWHERE) == pytest.approx(field.std(), rel=0.3)


def test_a_slice_profile_is_found_where_anatomy_has_no_direction() -> None:
    fine = anatomy((72, 40, 72))
    slices = ndimage.gaussian_filter1d(fine, 4.0 / 2.3548, axis=0, mode="wrap")[::3]
    assert slice_profile(slices, np.ones(slices.shape, bool), 1.0, 3.0) == pytest.approx(4.0, abs=1.0)
    # Without blur across them, slices are no more alike than voxels of a row.
    assert slice_profile(fine[::3], np.ones(slices.shape, bool), 1.0, 3.0) < 2.0


def test_a_stack_without_signal_gives_no_figures() -> None:
    empty = Volume(
        np.zeros(SHAPE, np.float32), Grid(SHAPE[::-1], (1.2, 1.2, 3.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    )
    assert np.isnan(measure_stack(empty, EVERYWHERE).noise)
