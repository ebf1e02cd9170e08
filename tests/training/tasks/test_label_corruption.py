"""Each way of spoiling a label map does what it says, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from training.imaging.filters import blur_maps
from training.imaging.random_source import RandomSource
from training.tasks import label_corruption as corruption
from training.tasks.label_corruption import CorruptionSettings, corrupted_labels, corrupted_probabilities

SETTINGS = CorruptionSettings()
SEEDS = range(30)


def _brain(side: int = 32) -> Tensor:
    """Nested balls of the labels 3, 2 and 1, the innermost first, in background."""
    at = torch.arange(side) - (side - 1) / 2
    radius = (at[:, None, None] ** 2 + at[:, None] ** 2 + at**2).sqrt()
    labels = torch.zeros((side,) * 3, dtype=torch.long)
    for label, reach in ((1, 13), (2, 10), (3, 7)):
        labels[radius < reach] = label
    return labels


def _changes(name: str) -> list[Tensor]:
    """The map after one change of a kind, under many seeds."""
    maps = []
    for seed in SEEDS:
        labels = _brain()
        getattr(corruption, name)(labels, RandomSource(seed), SETTINGS)
        maps.append(labels)
    return maps


def _pieces(labels: Tensor, label: int, connectivity: int = 6) -> int:
    structure = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3)
    return int(ndimage.label((labels == label).numpy(), structure)[1])


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_a_spoilt_map_is_a_function_of_its_seed(seed: int) -> None:
    assert torch.equal(
        corrupted_labels(_brain(), RandomSource(seed), SETTINGS),
        corrupted_labels(_brain(), RandomSource(seed), SETTINGS),
    )


def test_the_truth_itself_stays_as_it_was() -> None:
    labels = _brain()
    assert any(not torch.equal(corrupted_labels(labels, RandomSource(seed), SETTINGS), labels) for seed in SEEDS)
    assert torch.equal(labels, _brain())


def test_a_missing_piece_takes_from_one_tissue_alone() -> None:
    for labels in _changes("missing_piece"):
        changed = labels != _brain()
        assert len(_brain()[changed].unique()) <= 1
        extent = [len(changed.any(dim=a).any(dim=b).nonzero()) for a, b in ((2, 1), (2, 0), (1, 0))]
        assert max(extent) <= 2 * SETTINGS.piece + 1


def test_holes_make_cavities() -> None:
    assert any(_pieces(labels, 0) > 1 for labels in _changes("hole"))


def test_a_bridge_joins_a_tissue_across_another() -> None:
    fresh, maps = _brain(), _changes("bridge")
    assert any((labels != fresh).any() for labels in maps)
    for labels in maps:
        drawn = labels[labels != fresh]
        assert len(drawn.unique()) <= 1
        assert len(drawn) <= 2 * SETTINGS.bridge
        assert all(_pieces(labels, int(label), 26) == 1 for label in drawn.unique())


def test_specks_are_islands() -> None:
    assert any(_pieces(labels, label) > 1 for labels in _changes("speck") for label in (1, 2, 3))


@pytest.mark.parametrize(("name", "grows"), [("swelling", True), ("thinning", False)])
def test_borders_wander_by_one_voxel(name: str, grows: bool) -> None:
    fresh = _brain()
    moved = 0
    for labels in _changes(name):
        changed = labels != fresh
        moved += int(changed.any())
        counts = torch.bincount(labels.flatten(), minlength=4) - torch.bincount(fresh.flatten(), minlength=4)
        assert (counts > 0).sum() <= 1 if grows else (counts < 0).sum() <= 1
        near = ndimage.grey_dilation(fresh.numpy(), 3) != ndimage.grey_erosion(fresh.numpy(), 3)
        assert near[changed.numpy()].all()
    assert moved > len(SEEDS) / 2


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
@settings(max_examples=10, deadline=None)
def test_the_result_is_a_map_of_probabilities(seed: int, share: float) -> None:
    said = torch.randn(8, 32, 32, 32, generator=torch.Generator().manual_seed(seed)).softmax(0)
    maps = corrupted_probabilities(said, _brain(), RandomSource(seed), replace(SETTINGS, network=share))
    assert maps.shape == said.shape
    assert (maps >= 0).all()
    assert torch.allclose(maps.sum(0), torch.ones(32, 32, 32), atol=1e-4)


def test_a_network_s_answer_can_stay_as_it_is() -> None:
    said = torch.randn(8, 32, 32, 32, generator=torch.Generator().manual_seed(0)).softmax(0)
    maps = corrupted_probabilities(said, _brain(), RandomSource(0), replace(SETTINGS, network=1.0, also=0.0))
    assert torch.equal(maps, said)


def test_what_is_not_spoilt_keeps_the_network_s_probabilities() -> None:
    said = 4 * torch.nn.functional.one_hot(_brain(), 8).movedim(-1, 0).float()
    said = (said + torch.rand(said.shape, generator=torch.Generator().manual_seed(1))).softmax(0)
    settings = replace(SETTINGS, network=1.0, also=1.0, changes=1)
    kept = [
        (corrupted_probabilities(said, _brain(), RandomSource(seed), settings) == said).all(0).float().mean()
        for seed in range(10)
    ]
    assert 0.5 < min(kept) < 1


def test_blur_keeps_sums_and_matches_scipy() -> None:
    maps = torch.rand(8, 12, 13, 14, generator=torch.Generator().manual_seed(2))
    expected = torch.stack(
        [torch.from_numpy(ndimage.gaussian_filter(m.numpy(), 1.0, mode="nearest", radius=2)) for m in maps]
    )
    assert torch.allclose(blur_maps(maps, 1.0, padding="replicate"), expected, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"network": 1.5}, {"changes": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        replace(SETTINGS, **wrong)  # type: ignore[arg-type]
