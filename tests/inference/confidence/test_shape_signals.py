"""Signals of the shape, on an ellipsoid whose axes and halves are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.biometry.midline_alignment import AlignedLabels
from inference.confidence.shape_signals import shape_signals

SPACING = 1.0


def upright(half: tuple[float, float, float] = (20.0, 30.0, 25.0)) -> AlignedLabels:
    """An ellipsoid of white matter with half axes (x, y, z) in mm about the origin."""
    side = 70
    at = np.arange(side) - (side - 1) / 2
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    inside = (x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2 < 1
    return AlignedLabels((3 * inside).astype(np.uint8), np.full(3, at[0]), np.eye(4), SPACING)


def volumes(aligned: AlignedLabels) -> np.ndarray:
    return np.array([0, 0, np.count_nonzero(aligned.labels) / 1000, 0, 0, 0, 0], np.float64)


def test_an_ellipsoid_is_as_long_and_as_high_as_its_axes_say() -> None:
    case, _ = shape_signals(volumes(upright()), upright())
    assert case["long"] == pytest.approx(np.log(30 / 20), abs=0.02)
    assert case["high"] == pytest.approx(np.log(25 / 20), abs=0.02)


def test_an_ellipsoid_is_its_own_mirror_image_and_a_half_of_it_has_none() -> None:
    whole = upright()
    assert shape_signals(volumes(whole), whole)[0]["symmetry"] == 1.0
    whole.labels[:, :, :35] = 0
    assert shape_signals(volumes(whole), whole)[0]["symmetry"] == 0.0


def test_an_end_that_was_cut_off_is_seen_and_a_round_one_is_not() -> None:
    case, _ = shape_signals(volumes(upright()), upright())
    cut = upright()
    cut.labels[:30] = 0
    assert case["cut_end"] < 0.3
    assert shape_signals(volumes(cut), cut)[0]["cut_end"] > 0.9


def test_tissues_that_are_missing_are_counted() -> None:
    assert shape_signals(volumes(upright()), upright())[0]["missing"] == 6


def test_an_empty_map_has_no_shape() -> None:
    case, tissue = shape_signals(np.zeros(7), None)
    assert np.isnan(case["symmetry"])
    assert np.isfinite(tissue["tissue_size"]).all()
