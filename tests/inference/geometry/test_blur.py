"""The compiled blur and the compiled profiles against scipy's and numpy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from feta.grid import Grid
from feta.volumes import Volume
from inference.geometry.blur import gaussian_blur
from inference.geometry.frames import resample
from inference.geometry.profiles import profiles
from inference.geometry.view import without_aliasing

GRID = Grid((34, 32, 30), (0.5, 0.6, 0.7), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
Shape = tuple[int, int, int]


def noise(shape: Shape, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.sampled_from([0.0, 0.2, 0.7, 1.9, 4.0])] * 3),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_a_blur_is_scipys_to_the_bit(shape: Shape, sigmas: tuple[float, float, float], seed: int) -> None:
    array = noise(shape, seed)
    expected = ndimage.gaussian_filter(array, sigmas, mode="nearest", truncate=2.5)
    assert np.array_equal(gaussian_blur(array, sigmas, 2.5), expected)


def test_wanted_slices_and_rows_are_those_of_the_whole() -> None:
    array, sigmas = noise((20, 22, 24)), (1.5, 1.1, 0.9)
    slices, rows = np.arange(20) % 5 == 1, np.arange(22) % 7 == 3
    part = gaussian_blur(array, sigmas, 2.5, slices, rows)
    assert np.array_equal(part[np.ix_(slices, rows)], gaussian_blur(array, sigmas, 2.5)[np.ix_(slices, rows)])
    assert np.isfinite(part).all()


def test_what_went_in_is_not_changed() -> None:
    array = noise((5, 6, 7))
    kept = array.copy()
    for sigmas in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        assert gaussian_blur(array, sigmas, 2.5) is not array
    assert np.array_equal(array, kept)


@pytest.mark.parametrize("degrees", [0, 90, 23])
@pytest.mark.parametrize("spacing", [0.8, 2.0, 3.1])
def test_a_view_reads_what_a_blur_of_the_whole_volume_would_show(degrees: int, spacing: float) -> None:
    volume = Volume(noise((30, 32, 34)), GRID)
    matrix = np.eye(4)
    turned = Rotation.from_euler("z", degrees, degrees=True).as_matrix().round(12)
    matrix[:3, :3] = turned * spacing / np.array([[0.5], [0.6], [0.7]])
    matrix[:3, 3] = (4.2, 3.7, 1.1)
    sigmas = [np.sqrt(spacing**2 - s**2) / (2.355 * s) for s in (0.7, 0.6, 0.5)]
    blurred = torch.from_numpy(ndimage.gaussian_filter(volume.array, sigmas, mode="nearest", truncate=2.5))
    size = (9, 8, 7)
    assert torch.equal(without_aliasing(volume, matrix, size, spacing), resample(blurred[None], matrix, size))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int16])
def test_profiles_are_sums_of_what_is_above_zero(dtype: type) -> None:
    array: np.ndarray = (20 * noise((5, 6, 7))).astype(dtype)
    above = np.maximum(array, 0).astype(np.float64)
    expected = above.sum((0, 1)), above.sum((0, 2)), above.sum((1, 2))
    assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(profiles(array), expected, strict=True))
