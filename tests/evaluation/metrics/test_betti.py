"""Betti numbers and χ against gudhi's cubical complex, voxels as vertices."""

from __future__ import annotations

from types import ModuleType

import gudhi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from evaluation.metrics.betti import betti_numbers, euler_numbers
from tests.support.masks import NAMED, Mask, masks


def ours(path: ModuleType, mask: Mask) -> list[int]:
    labels = mask.astype(np.uint8)
    return betti_numbers(labels, path.surfaces(labels))[0].tolist()


def gudhis(mask: Mask) -> list[int]:
    """Betti numbers of the sublevel set of 0, the mask padded by one voxel of background."""
    heights = np.pad(np.where(mask, 0.0, 1.0), 1, constant_values=1.0)
    complex_ = gudhi.CubicalComplex(vertices=heights)
    complex_.compute_persistence()
    return [int(b) for b in complex_.persistent_betti_numbers(0.0, 0.5)[:3]]


@settings(max_examples=1500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masks(longest=6))
def test_noise(path: ModuleType, mask: Mask) -> None:
    assert ours(path, mask) == gudhis(mask)


@pytest.mark.parametrize("name", NAMED)
def test_named(path: ModuleType, name: str) -> None:
    assert ours(path, NAMED[name]) == gudhis(NAMED[name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("empty", [0, 0, 0]), ("full", [1, 0, 0]), ("cube", [1, 0, 0]), ("torus", [1, 1, 0]), ("shells", [3, 0, 3]),
     ("edge", [2, 0, 0]), ("corner", [2, 0, 0]), ("holes touching by a corner", [1, 0, 1]), ("frame", [1, 1, 0])],
)  # fmt: skip
def test_known(path: ModuleType, name: str, expected: list[int]) -> None:
    assert ours(path, NAMED[name]) == expected


def test_a_solid_cube_has_the_euler_characteristic_1(path: ModuleType) -> None:
    labels = np.full((4, 4, 4), 5, dtype=np.uint8)
    assert euler_numbers(betti_numbers(labels, path.surfaces(labels)))[4] == 1


def test_labels_do_not_see_each_other(path: ModuleType) -> None:
    labels = np.random.default_rng(3).integers(0, 8, (9, 8, 7)).astype(np.uint8)
    together = betti_numbers(labels, path.surfaces(labels))
    for label in range(1, 8):
        assert together[label - 1].tolist() == ours(path, labels == label)
