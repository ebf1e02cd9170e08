"""Where a label map has labels, and how many of each: against what NumPy finds the slow way."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feta.labels import LABEL_COUNT, foreground_box, label_counts

SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, max_side=5)
MAPS = arrays.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 0, 0, 1, 3, 7]))


@given(labels=MAPS)
def test_the_box_is_the_smallest_that_holds_all_labels(labels: np.ndarray) -> None:
    found, places = foreground_box(labels), np.argwhere(labels)
    if found is None:
        assert len(places) == 0
    else:
        assert [(at.start, at.stop) for at in found] == list(
            zip(places.min(axis=0), places.max(axis=0) + 1, strict=True)
        )


@given(labels=MAPS)
def test_a_mask_has_the_box_of_its_map(labels: np.ndarray) -> None:
    assert foreground_box(labels > 0) == foreground_box(labels)


@given(labels=MAPS)
def test_labels_are_counted(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(label_counts(labels), np.bincount(labels.ravel(), minlength=LABEL_COUNT))
