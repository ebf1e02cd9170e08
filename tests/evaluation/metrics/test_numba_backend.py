"""numba's backend gives what NumPy's gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import backend, numba_backend, numba_components, numba_distances, numpy_backend
from tests.support.masks import NAMED, Mask, masks, spacings


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from([1, 2, 8]))
def test_surfaces(seed: int, shape: tuple[int, int, int], labels: int) -> None:
    array = np.random.default_rng(seed).integers(0, labels, shape).astype(np.uint8)
    for one, other in zip(numpy_backend.surfaces(array), numba_backend.surfaces(array), strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.codes, other.codes)


@settings(max_examples=300)
@given(masks(), st.integers(1, 7))
def test_components_and_cavities(mask: Mask, label: int) -> None:
    labels = mask * np.uint8(label)
    if mask.any():
        assert_same_counts(labels, [label])


@pytest.mark.parametrize("name", [name for name in NAMED if name != "empty"])
def test_components_and_cavities_of_named_masks(name: str) -> None:
    assert_same_counts(NAMED[name].astype(np.uint8), [1])


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3))
def test_components_and_cavities_of_labels_beside_each_other(seed: int, shape: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(seed).integers(0, 8, shape).astype(np.uint8)
    assert_same_counts(labels, [t for t in (7, 1, 3, 2) if (labels == t).any()])


def assert_same_counts(labels: np.ndarray, wanted: list[int]) -> None:
    expected = numpy_backend.components_and_cavities(labels, wanted)
    np.testing.assert_array_equal(numba_backend.components_and_cavities(labels, wanted), expected)


points = st.lists(st.tuples(*[st.integers(0, 40)] * 3), min_size=1, max_size=30, unique=True)


@settings(max_examples=300)
@given(points, points, spacings, st.sampled_from([0.5, 0.95, 1.0]))
def test_distances(queries: list, targets: list, spacing: tuple[float, float, float], share: float) -> None:
    start = np.array(sorted(queries), dtype=np.int32).T
    end = np.array(sorted(targets), dtype=np.int32).T
    weights = np.ones(start.shape[1])
    expected = numpy_backend.nearest_distances(start, end, spacing, weights, share)
    found = numba_backend.nearest_distances(start, end, spacing, weights, share)
    known = np.isfinite(found)
    assert known.mean() >= share
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-12)
    # What isn't known lies beyond everything that is.
    assert expected[~known].min(initial=np.inf) >= expected[known].max()


def test_distances_where_a_transform_costs_less_than_a_search() -> None:
    generator = np.random.default_rng(5)
    start = np.unique(generator.integers(0, 60, (4000, 3)), axis=0).T.astype(np.int32)
    end = np.unique(generator.integers(90, 99, (300, 3)), axis=0).T.astype(np.int32)
    spacing = (0.5, 1.3, 0.7)
    weights = np.ones(start.shape[1])
    expected = numpy_backend.nearest_distances(start, end, spacing, weights, 1.0)
    np.testing.assert_allclose(numba_backend.nearest_distances(start, end, spacing, weights, 1.0), expected, rtol=1e-12)


def test_distances_in_a_volume_one_voxel_thick() -> None:
    start, end = np.array([[0], [0], [0]], dtype=np.int32), np.array([[0], [0], [500]], dtype=np.int32)
    assert numba_backend.nearest_distances(start, end, (1.0, 1.0, 0.5), np.ones(1), 1.0).tolist() == [250]


def test_numpy_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend.load() is numba_backend
    monkeypatch.setenv("FETA_BACKEND", "numpy")
    assert backend.load() is numpy_backend


def test_the_old_variable_still_asks_for_numpy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FETA_BACKEND", "numba")
    monkeypatch.setenv("FETA_PLAIN", "1")
    assert [backend.load(), backend.load()] == [numpy_backend] * 2
    (warning,) = caplog.messages
    assert "FETA_BACKEND=numpy" in warning


def run_all(length: int) -> None:
    """Every branch of every function, on two voxels that lie so far apart along x."""
    labels = np.zeros((3, 3, length), dtype=np.uint8)
    labels[1, 1, 1], labels[1, 1, -2] = 1, 2
    first, second, *_ = numba_backend.surfaces(labels)
    for share in (0.5, 1.0):
        numba_backend.nearest_distances(
            first.positions, second.positions, (1.0, 1.0, 1.0), np.ones(first.codes.size), share
        )
    many = np.repeat(first.positions, 500, axis=1)  # so many that a transform costs less than a search
    numba_backend.nearest_distances(many, second.positions, (1.0, 1.0, 1.0), np.ones(many.shape[1]), 1.0)
    numba_backend.components_and_cavities(labels, [1, 2])


def test_a_run_leaves_nothing_to_compile() -> None:
    kernels = [numba_backend._mark, numba_components._joined]
    kernels += [getattr(numba_distances, name) for name in ("_row_distances", "_search", "_sweep")]
    run_all(120)
    compiled = [kernel.signatures for kernel in kernels]
    assert all(compiled)
    run_all(90)
    assert [kernel.signatures for kernel in kernels] == compiled
