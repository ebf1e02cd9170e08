import numpy as np
import pytest

from feta.grid import Grid
from feta.volumes import Volume
from training.stress import rotate, turned

SIDE = 24
GRID = Grid((SIDE,) * 3, (2.0,) * 3, (0.0,) * 3, (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def _pair() -> tuple[Volume, Volume]:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[6:18, 8:16, 4:20] = 3
    return Volume(100.0 * labels.astype(np.float32), GRID), Volume(labels, GRID)


def test_no_rotation_only_makes_room() -> None:
    image, labels = rotate(_pair(), np.eye(3))
    assert image.grid == labels.grid
    assert (labels.array == 3).sum() == 12 * 8 * 16
    assert image.array.sum() == pytest.approx(300 * 12 * 8 * 16, rel=1e-4)
    # half a voxel, where the larger grid has a voxel in the middle and the smaller has none
    assert np.allclose(_centre(image.array), _centre(labels.array), atol=0.51)


def _centre(array: np.ndarray) -> np.ndarray:
    return np.argwhere(array > 0).mean(0)


def test_a_quarter_turn_swaps_two_axes() -> None:
    labels = rotate(_pair(), QUARTER)[1].array
    extents = [np.ptp(np.flatnonzero(labels.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    assert extents == [12, 16, 8]


def test_turning_keeps_volume_and_pairs_image_with_labels() -> None:
    image, labels = turned(_pair(), np.random.default_rng(3))
    again = turned(_pair(), np.random.default_rng(3))[0]
    assert np.array_equal(image.array, again.array)
    assert (labels.array == 3).sum() == pytest.approx(12 * 8 * 16, rel=0.1)
    assert image.array[labels.array == 3].mean() > 4 * image.array[labels.array == 0].mean()
    # Rician noise of an eighth of the mean: no voxel of the background stays zero
    assert (image.array > 0).all()
