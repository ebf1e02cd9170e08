"""Causes that spoil volumes, on a small made-up brain."""

from __future__ import annotations

import numpy as np
import pytest

from feta.volumes import Volume
from tests.support.small_brains import brain, volume
from training.confidence.causes import ALL, LEARNED, NO_LENGTHS, UNSEEN
from training.confidence.collect import drawn


def pair() -> tuple[Volume, Volume]:
    labels = brain((40, 42, 36))
    levels = np.array([0, 300, 120, 180, 310, 150, 140, 160], np.float32)
    return volume(levels[labels], (2.0, 2.0, 2.0)), volume(labels, (2.0, 2.0, 2.0))


def test_none_of_the_unseen_causes_is_learned_from() -> None:
    assert not set(LEARNED) & set(UNSEEN)
    assert len(UNSEEN) >= 6
    assert set(NO_LENGTHS) <= set(ALL)


@pytest.mark.parametrize("cause", [*LEARNED, *UNSEEN])
def test_a_cause_changes_the_image_the_same_way_each_time_and_leaves_both_on_one_grid(cause: str) -> None:
    (image, labels), (again, _) = (ALL[cause](pair(), np.random.default_rng(4)) for _ in range(2))
    assert image.grid == labels.grid
    assert image.array.shape == labels.array.shape == image.grid.shape
    assert np.isfinite(image.array).all()
    assert image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array, again.array)
    before = pair()[0]
    assert image.grid != before.grid or not np.array_equal(image.array, before.array)


def test_a_half_brain_has_half_of_the_signal() -> None:
    image, _ = ALL["half"](pair(), np.random.default_rng(0))
    assert np.count_nonzero(image.array) == pytest.approx(np.count_nonzero(pair()[0].array) / 2, rel=0.15)


def test_an_inverted_volume_has_dark_fluid() -> None:
    image, labels = ALL["inverted"](pair(), np.random.default_rng(0))
    assert image.array[labels.array == 1].mean() < image.array[labels.array == 3].mean()


def test_a_volume_gets_the_same_causes_each_time_and_none_twice() -> None:
    found = drawn("sub-001", list(UNSEEN), 4)
    assert found == drawn("sub-001", list(UNSEEN), 4)
    assert len(set(found)) == 4
