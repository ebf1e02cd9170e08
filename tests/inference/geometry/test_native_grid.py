"""The compiled loop in native space, against torch's own interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from inference.geometry import native_grid
from inference.geometry.native_grid import resample_to_native

SIZE = (22, 19, 24)


def probabilities(seed: int, sharp: float) -> torch.Tensor:
    """(8, 12, 14, 10) of random tissues in the middle, background around."""
    random = torch.randn((8, 12, 14, 10), generator=torch.Generator().manual_seed(seed)) * sharp
    around = torch.ones((12, 14, 10), dtype=torch.bool)
    around[3:9, 3:11, 3:7] = False
    random[0][around] = 40.0
    return random.softmax(0)


def matrix(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    found = np.eye(4)
    found[:3, :3] = Rotation.random(random_state=draw).as_matrix() * draw.uniform(0.3, 1.2)
    found[:3, 3] = np.array([4.5, 6.5, 5.5]) - found[:3, :3] @ (np.array(SIZE) - 1) / 2 + draw.normal(0, 2, 3)
    return found


def by_torch(source: torch.Tensor, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros(SIZE[::-1], np.uint8)
    scores = np.zeros((8, *SIZE[::-1]), np.uint8)
    native_grid._on_device(source, place, labels, scores)
    return labels, scores


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 5.0]))
def test_labels_are_those_of_torch_but_where_two_are_all_but_equal(seed: int, sharp: float) -> None:
    source, place = probabilities(seed, sharp), matrix(seed)
    expected, scores = by_torch(source, place)
    found = resample_to_native(source, place, SIZE).labels
    first, second = np.sort(scores, axis=0)[[-1, -2]].astype(int)
    assert ((found == expected) | (first - second <= 1)).all()


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 5.0]))
def test_scores_are_those_of_torch_but_for_rounding(seed: int, sharp: float) -> None:
    source, place = probabilities(seed, sharp), matrix(seed)
    found = resample_to_native(source, place, SIZE, scores=True)
    assert found.scores is not None
    expected = by_torch(source, place)[1][(slice(None), *found.part)]
    assert np.abs(found.scores.astype(int) - expected).max() <= 1


def test_without_scores_labels_are_the_same() -> None:
    source, place = probabilities(3, 2.0), matrix(3)
    with_scores = resample_to_native(source, place, SIZE, scores=True)
    assert np.array_equal(resample_to_native(source, place, SIZE).labels, with_scores.labels)


@pytest.mark.parametrize("threads", [1, 3])
def test_slabs_of_any_number_of_threads_meet(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source, place = probabilities(5, 2.0), matrix(5)
    expected = resample_to_native(source, place, SIZE, scores=True)
    monkeypatch.setattr(native_grid.torch, "get_num_threads", lambda: threads)
    found = resample_to_native(source, place, SIZE, scores=True)
    assert np.array_equal(found.labels, expected.labels) and np.array_equal(found.scores, expected.scores)


def test_a_box_beside_the_grid_is_background() -> None:
    place = np.eye(4)
    place[:3, 3] = 100
    found = resample_to_native(probabilities(1, 1.0), place, SIZE, scores=True)
    assert not found.labels.any()
