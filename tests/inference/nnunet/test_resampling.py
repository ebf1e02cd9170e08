"""Resampling against scikit-image and scipy, which nnU-Net calls, and the choice of the thick axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.transform import resize

from inference.nnunet.normalisation import filled
from inference.nnunet.resampling import SplineResampling, resample, resampled_slabs

SHAPES = st.tuples(*[st.integers(3, 12)] * 3)
CUBE = (1.0, 1.0, 1.0)


def noise(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(SHAPES, SHAPES, st.sampled_from([1, 3]))
def test_cubes_are_resized_as_scikit_image_does(shape: tuple, new: tuple, order: int) -> None:
    array = noise(shape)
    found = resample(array, new, CUBE, CUBE, SplineResampling(order))
    expected = [resize(c.astype(float), new, order, mode="edge", anti_aliasing=False) for c in array.numpy()]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(SHAPES, SHAPES, st.sampled_from([0, 1, 2]), st.sampled_from([1, 3]))
def test_slices_are_resized_one_by_one_then_the_nearest_is_taken(
    shape: tuple, new: tuple, axis: int, order: int
) -> None:
    array = noise(shape)
    spacing = tuple(5.0 if i == axis else 1.0 for i in range(3))
    found = resample(array, new, spacing, spacing, SplineResampling(order))
    within = [n for i, n in enumerate(new) if i != axis]
    slices = [resize(s.astype(float), within, order, mode="edge", anti_aliasing=False)
              for s in np.moveaxis(array.numpy()[0], axis, 0)]  # fmt: skip
    stacked = np.stack(slices)
    places = shape[axis] / new[axis] * (np.arange(new[axis]) + 0.5) - 0.5
    grid = np.meshgrid(places, *[np.arange(n) for n in within], indexing="ij")
    expected = np.moveaxis(ndimage.map_coordinates(stacked, grid, order=0, mode="nearest"), 0, axis)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(SHAPES, SHAPES, st.sampled_from([1, 3]), st.sampled_from([CUBE, (1.0, 4.0, 1.0), (4.0, 1.0, 1.0)]))
def test_slabs_together_are_the_whole(shape: tuple, new: tuple, order: int, spacing: tuple) -> None:
    array = noise(shape)
    slabs = resampled_slabs(array, new, spacing, CUBE, SplineResampling(order), voxels=3 * new[1] * new[2])
    found = torch.cat([values for _, values in slabs], 1)
    np.testing.assert_allclose(found, resample(array, new, spacing, CUBE, SplineResampling(order)), atol=1e-5)


@pytest.mark.parametrize(
    ("spacing", "new", "axis"),
    [
        ((1, 1, 1), (1, 1, 1), None),
        ((1, 1, 3), (1, 1, 1), None),
        ((1, 1, 3.1), (1, 1, 1), 2),
        ((1, 1, 1), (4, 1, 1), 0),
        ((1, 4, 1), (4, 1, 1), 1),
        ((0.2, 1.2, 1.2), (1, 1, 1), None),
    ],
)
def test_the_thick_axis_is_that_of_the_image_else_of_the_plans(spacing: tuple, new: tuple, axis: int | None) -> None:
    assert SplineResampling().thick_axis(spacing, new) == axis


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 1000), st.sampled_from([0.4, 0.7]))
def test_holes_are_filled_as_scipy_does(shape: tuple, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    np.testing.assert_array_equal(filled(mask), ndimage.binary_fill_holes(mask))
