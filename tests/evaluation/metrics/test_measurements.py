"""One pair of label maps, all labels at once."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pytest

from evaluation.metrics.measurements import PairMetrics, measure
from tests.support.small_brains import brain, volume


def noisy(seed: int, shape: tuple[int, int, int] = (20, 22, 24)) -> np.ndarray:
    labels = brain(shape, shift=1.5)
    generator = np.random.default_rng(seed)
    stray = generator.random(shape) < 0.02
    return np.where(stray, generator.integers(0, 8, shape), labels).astype(np.uint8)


def test_all_labels_at_once_and_each_alone(path: ModuleType) -> None:
    truth, prediction, spacing = brain(), noisy(1), (0.5, 0.7, 1.1)
    together = measure(volume(truth, spacing), volume(prediction, spacing))
    for label in range(1, 8):
        only = [volume(np.where(labels == label, labels, 0), spacing) for labels in (truth, prediction)]
        alone = measure(*only)
        for name in ("dice", "vs", "hd95", "betti_truth", "betti_prediction"):
            np.testing.assert_array_equal(getattr(together, name)[label - 1], getattr(alone, name)[label - 1])


def test_room_around_the_brain_changes_nothing(path: ModuleType) -> None:
    maps = [brain(), noisy(2)]
    padded = [np.pad(labels, ((0, 5), (3, 0), (2, 1))) for labels in maps]
    plain, wide = (measure(*(volume(labels) for labels in pair)) for pair in (maps, padded))
    for name in ("dice", "vs", "hd95", "betti_truth", "betti_prediction"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(wide, name))


def test_mirrored_maps_measure_the_same(path: ModuleType) -> None:
    maps = [brain(), noisy(3)]
    plain, mirrored = (
        measure(*(volume(labels) for labels in pair))
        for pair in (maps, [np.ascontiguousarray(m[:, ::-1]) for m in maps])
    )
    np.testing.assert_allclose(plain.hd95, mirrored.hd95, atol=1e-9)
    np.testing.assert_array_equal(plain.betti_prediction, mirrored.betti_prediction)


def test_perfect_prediction(path: ModuleType) -> None:
    measured = measure(volume(brain()), volume(brain()))
    assert measured.dice.tolist() == measured.vs.tolist() == [1] * 7
    assert measured.hd95.tolist() == [0] * 7


def test_empty_maps(path: ModuleType) -> None:
    empty = volume(np.zeros((4, 5, 6), dtype=np.uint8))
    measured = measure(empty, empty)
    assert np.isnan(measured.dice).all()
    assert np.isinf(measured.hd95).all()
    assert not measured.in_truth.any()
    assert not measured.betti_truth.any()


@pytest.mark.parametrize("absent", [(), (1,), (2, 5), tuple(range(1, 8))])
def test_json_and_back(absent: tuple[int, ...]) -> None:
    prediction = np.where(np.isin(noisy(4), absent), 0, noisy(4)).astype(np.uint8)
    measured = measure(volume(brain()), volume(prediction))
    again = PairMetrics.from_json(json.loads(json.dumps(measured.to_json(), allow_nan=False)))
    for name in PairMetrics.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(measured, name))


@pytest.mark.parametrize("damaged", [{}, {"dice": [1]}, {"dice": "x"}])
def test_json_of_something_else(damaged: dict) -> None:
    whole = measure(volume(brain()), volume(brain())).to_json()
    broken = {} if not damaged else whole | damaged
    with pytest.raises((KeyError, TypeError, ValueError)):
        PairMetrics.from_json(broken)
