"""HD95 against DeepMind's library."""

from __future__ import annotations

import warnings
from types import ModuleType

import numpy as np
import pytest
import surface_distance
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from evaluation.metrics.hausdorff import hausdorff95
from tests.support.masks import NAMED, Mask, masks, spacings, torus
from tests.support.small_brains import brain

Spacing = tuple[float, float, float]
both_paths = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ours(path: ModuleType, truth: Mask, prediction: Mask, spacing: Spacing) -> float:
    first, second = (path.surfaces(mask.astype(np.uint8))[0] for mask in (truth, prediction))
    return hausdorff95(first, second, spacing)


def theirs(truth: Mask, prediction: Mask, spacing: Spacing) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        distances = surface_distance.compute_surface_distances(truth, prediction, spacing)
    return float(surface_distance.compute_robust_hausdorff(distances, 95))


@both_paths
@given(masks(), st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 0.5, 0.9]), spacings)
def test_noise(path: ModuleType, truth: Mask, seed: int, density: float, spacing: Spacing) -> None:
    prediction = np.random.default_rng(seed).random(truth.shape) < density
    assume(truth.any() and prediction.any())
    assert ours(path, truth, prediction, spacing) == pytest.approx(theirs(truth, prediction, spacing), abs=1e-6)


@both_paths
@given(masks(), st.integers(0, 2), st.integers(1, 7), spacings)
def test_shifted(path: ModuleType, truth: Mask, axis: int, shift: int, spacing: Spacing) -> None:
    assume(truth.any())
    truth = np.pad(truth, 7)
    prediction = np.roll(truth, shift, axis)
    assert ours(path, truth, prediction, spacing) == pytest.approx(theirs(truth, prediction, spacing), abs=1e-6)


@pytest.mark.parametrize("name", [n for n in NAMED if n != "empty"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.4, 1.7, 0.9)])
def test_named(path: ModuleType, name: str, spacing: Spacing) -> None:
    truth = NAMED[name]
    corner = np.zeros_like(truth)
    corner[0, 0, 0] = True
    for prediction in (truth, corner, truth | np.flip(truth)):
        expected = theirs(truth, prediction, spacing)
        assert ours(path, truth, prediction, spacing) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("label", range(1, 8))
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.2, 0.6, 0.5)])
def test_anatomical(path: ModuleType, label: int, spacing: Spacing) -> None:
    truth, prediction = brain((40, 44, 48)) == label, brain((40, 44, 48), shift=2.5) == label
    assert ours(path, truth, prediction, spacing) == pytest.approx(theirs(truth, prediction, spacing), abs=1e-6)


@pytest.mark.parametrize("stray", [1, 5, 20, 200])
def test_stray_specks_near_and_far(path: ModuleType, stray: int) -> None:
    truth = np.pad(torus(), ((20, 20), (20, 20), (20, 20)))
    prediction = truth.copy()
    prediction[tuple(np.random.default_rng(stray).integers(0, truth.shape, (stray, 3)).T)] = True
    for spacing in ((0.5, 0.5, 0.5), (0.9, 0.4, 1.7)):
        for pair in ((truth, prediction), (prediction, truth)):
            assert ours(path, *pair, spacing) == pytest.approx(theirs(*pair, spacing), abs=1e-6)


@pytest.mark.parametrize("voxels", range(5, 45, 5))
def test_share_of_exactly_095(path: ModuleType, voxels: int) -> None:
    """One corner in twenty is far away: rounding decides, and it must be the library's rounding."""
    truth = np.zeros((3, 3, 4 * voxels + 60), dtype=bool)
    truth[1, 1, 2 : 4 * voxels : 4] = True
    for spacing in ((1.0, 1.0, 1.0), (0.8, 0.8, 0.8), (0.3, 0.7, 1.1)):
        for moved in range(1, 1 + voxels // 5):
            prediction = truth.copy()
            prediction[1, 1, [4 * voxels + 20 + 2 * i for i in range(moved)]] = True
            for pair in ((truth, prediction), (prediction, truth)):
                assert ours(path, *pair, spacing) == pytest.approx(theirs(*pair, spacing), abs=1e-6)


def test_empty_is_infinitely_far(path: ModuleType) -> None:
    full, empty = NAMED["full"], np.zeros_like(NAMED["full"])
    for pair in ((full, empty), (empty, full), (empty, empty)):
        assert ours(path, *pair, (1.0, 1.0, 1.0)) == np.inf


def test_never_beyond_the_diagonal(path: ModuleType) -> None:
    truth, prediction = np.zeros((5, 6, 7), dtype=bool), np.zeros((5, 6, 7), dtype=bool)
    truth[0, 0, 0] = prediction[-1, -1, -1] = True
    diagonal = np.linalg.norm(np.array([5, 6, 7]) * (0.5, 0.7, 1.1))
    assert ours(path, truth, prediction, (0.5, 0.7, 1.1)) <= diagonal
