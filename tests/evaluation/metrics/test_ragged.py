"""What a single label map may cost: noise is counted and not measured, all else is measured to the last bit."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from evaluation.metrics import surface_elements
from evaluation.metrics.measurements import PairMetrics, analyse, compare, measure
from evaluation.scoring.penalties import fill_topology, score_pair
from evaluation.scoring.policy import default_policy
from evaluation.scoring.score_table import SEGMENTATION_METRICS
from evaluation.submissions.reasons import Reason
from tests.support.small_brains import brain, volume

SHAPE = (20, 22, 24)
ED = SEGMENTATION_METRICS.index("ed")


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 8, SHAPE, dtype=np.uint8)


def grey_noise(elsewhere: np.ndarray) -> np.ndarray:
    """Noise of label 2, and other labels beside it."""
    return np.where(noise() > 3, 2, elsewhere).astype(np.uint8)


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> int:
    """A bound that maps of a test can go beyond."""
    monkeypatch.setattr(surface_elements, "ALWAYS_KEPT", 200)
    return 200


@pytest.mark.usefixtures("small_bound")
def test_labels_of_noise_are_ragged_whatever_the_backend(path: ModuleType) -> None:
    truth = analyse(volume(brain()))
    most = surface_elements.most_elements(truth.surfaces)
    kept, bounded = path.surfaces(noise()), path.surfaces(noise(), most)
    for whole, own, limit in zip(kept, bounded, most, strict=True):
        assert own.count == whole.count
        assert bool(own.left_out) == (whole.count > limit)
        assert own.codes.size == own.positions.shape[1] == (0 if own.left_out else whole.count)
    assert any(surface.left_out for surface in bounded)


@pytest.mark.usefixtures("small_bound")
def test_what_is_kept_beside_noise_is_what_it_is_without_a_bound(path: ModuleType) -> None:
    labels = brain()
    labels[:, :, 12:] = np.where(noise()[:, :, 12:] == 7, 7, labels[:, :, 12:])
    truth = analyse(volume(brain()))
    bounded, free = analyse(volume(labels), truth), analyse(volume(labels))
    assert [bool(surface.left_out) for surface in bounded.surfaces].count(True) in range(1, 7)
    for own, whole, betti, expected in zip(bounded.surfaces, free.surfaces, bounded.betti, free.betti, strict=True):
        if not own.left_out:
            np.testing.assert_array_equal(own.positions, whole.positions)
            np.testing.assert_array_equal(own.codes, whole.codes)
            np.testing.assert_array_equal(betti, expected)


@pytest.mark.usefixtures("small_bound")
def test_of_a_ragged_label_no_component_and_no_distance_is_sought(
    path: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = analyse(volume(brain()))
    sought: list[str] = []
    for name in ("components_and_cavities", "nearest_distances"):
        monkeypatch.setattr(path, name, lambda *_, name=name: sought.append(name))
    found = compare(truth, analyse(volume(grey_noise(np.zeros(SHAPE))), truth))
    assert found.ragged.tolist() == [False, True, *[False] * 5]
    assert sought == []


@pytest.mark.parametrize("made", [lambda: noise(1), lambda: brain(shift=1.5), lambda: np.zeros(SHAPE, np.uint8)])
def test_a_small_map_is_measured_whatever_it_holds(path: ModuleType, made) -> None:
    truth, labels = analyse(volume(brain())), made()
    bounded, free = measure(volume(brain()), volume(labels)), compare(truth, analyse(volume(labels)))
    assert not bounded.ragged.any()
    for name in PairMetrics.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(bounded, name), getattr(free, name))


def test_a_map_is_allowed_four_times_the_surface_of_the_truth() -> None:
    truth = tuple(surface_elements.too_many(count) for count in (10, 900_000, 5_000_000))
    assert surface_elements.most_elements(truth).tolist() == [1_000_000, 3_600_000, 20_000_000]


@pytest.mark.usefixtures("small_bound")
def test_a_ragged_label_counts_by_what_was_measured_and_else_as_missing() -> None:
    truth, prediction = brain(), grey_noise(np.zeros(SHAPE))
    measured = measure(volume(truth), volume(prediction))
    values, reasons = score_pair(measured, default_policy(), "table")
    fill_topology(values[None, None], default_policy())
    free = compare(analyse(volume(truth)), analyse(volume(prediction)))
    assert values[1, :2].tolist() == [free.dice[1], free.vs[1]]
    assert values[1, 2] == measured.diagonal
    assert values[1, 3:].tolist() == [1000] * 4
    assert reasons[1].tolist() == ["", "", *[Reason.TOO_RAGGED] * 5]


@pytest.mark.usefixtures("small_bound")
def test_a_ragged_label_that_the_truth_lacks_costs_what_such_a_label_costs() -> None:
    truth = np.where(brain() == 2, 0, brain()).astype(np.uint8)
    measured = measure(volume(truth), volume(grey_noise(np.zeros(SHAPE))))
    values, reasons = score_pair(measured, default_policy(), "table")
    fill_topology(values[None, None], default_policy())
    assert reasons[1].tolist() == [*[Reason.EXTRA_LABEL] * 3, *[Reason.TOO_RAGGED] * 4]
    assert values[1, ED] == 1000


@pytest.mark.usefixtures("small_bound")
def test_a_ragged_label_survives_being_kept() -> None:
    measured = measure(volume(brain()), volume(noise()))
    again = PairMetrics.from_json(measured.to_json())
    assert measured.ragged.any()
    for name in PairMetrics.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(measured, name))
