"""The largest component, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from inference.geometry.components import largest_component


@given(st.integers(0, 10_000), st.sampled_from([(4, 2), (8, 2), (6, 3), (18, 3), (26, 3)]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_it_is_the_first_of_the_largest_by_scipy(seed: int, kind: tuple[int, int], reversed_axes: bool) -> None:
    connectivity, dimensions = kind
    draw = np.random.default_rng(seed)
    mask = draw.random(tuple(draw.integers(2, 9, dimensions))) < draw.choice([0.05, 0.2, 0.4])
    mask = mask.T if reversed_axes else mask
    reach = {4: 1, 8: 2, 6: 1, 18: 2, 26: 3}[connectivity]
    parts, count = ndimage.label(mask, ndimage.generate_binary_structure(dimensions, reach))
    found = largest_component(mask, connectivity)
    if count == 0:
        assert not found.any()
    else:
        assert np.array_equal(found, parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def test_of_two_as_large_the_first_in_the_array_is_taken_though_its_number_is_not() -> None:
    mask = np.zeros((5, 8), bool)
    mask[0, 4:6] = mask[1, 0] = mask[2, 1] = True
    assert np.argwhere(largest_component(mask, 8)).tolist() == [[0, 4], [0, 5]]


def test_what_lies_outside_the_mask_counts_for_no_component() -> None:
    """cc3d numbers the pixel below the first one's row, too."""
    mask = np.zeros((7, 4), bool).T
    mask[0, 4] = mask[3, 6] = True
    assert np.argwhere(largest_component(mask, 8)).tolist() == [[0, 4]]


@pytest.mark.parametrize("heavy", [False, True])
def test_weights_decide_where_they_are_given(heavy: bool) -> None:
    mask = np.array([[True, True, False, True]])
    weights = np.array([[0.6, 0.6, 0.0, 2.0]]) if heavy else None
    assert largest_component(mask, 4, weights).tolist() == [[not heavy, not heavy, False, heavy]]
