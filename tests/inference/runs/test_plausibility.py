"""Masks, label maps and stacks of slices are told from reconstructed scans."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from inference.runs.plausibility import check_usable
from tests.support.folders import SMALL
from tests.support.heads import make_head

FILE = Path("a.nii.gz")
HEAD = make_head((2.0, 2.0, 2.0))


def on_grid(array: npt.NDArray) -> Volume:
    return Volume(array.astype(np.float32), SMALL.grid)


def eight_bit(top: float) -> npt.NDArray:
    """The head in 8 bits, its brightest voxel a grey value of ``top``."""
    return np.rint(SMALL.array / SMALL.array.max() * top)


def parcellation(labels: int) -> npt.NDArray:
    return np.where(HEAD.labels.array > 0, np.arange(SMALL.array.size).reshape(SMALL.array.shape) % labels, 0)


NO_SCANS = {
    "mask": HEAD.labels.array > 0,
    "mask of 255": (HEAD.labels.array > 0) * 255,
    "label map": HEAD.labels.array,
    "BOUNTI": parcellation(20),
    "aseg": parcellation(45),
    "scaled label map": HEAD.labels.array * 0.1,
    "mask with a cut": np.where(HEAD.labels.array > 0, 2, 1),
    "mask of numbers below 0": -1.0 * (HEAD.labels.array > 0),
}


@pytest.mark.parametrize("name", NO_SCANS)
def test_a_handful_of_values_is_refused(name: str) -> None:
    with pytest.raises(FetaError, match=r"a\.nii\.gz: holds only \d+ distinct values: a mask or a label map"):
        check_usable(FILE, on_grid(NO_SCANS[name]))


@pytest.mark.parametrize(
    "resampled",
    [partial(ndimage.shift, shift=(0.4, 0.1, 0.3), order=1), partial(ndimage.gaussian_filter, sigma=0.5)],
    ids=["linearly", "smoothed"],
)
def test_a_resampled_mask_is_refused(resampled: Callable[[npt.NDArray], npt.NDArray]) -> None:
    with pytest.raises(FetaError, match="resampled mask"):
        check_usable(FILE, on_grid(np.round(resampled((HEAD.labels.array > 0).astype(np.float32)), 3)))


def test_eight_bits_are_a_scan() -> None:
    assert check_usable(FILE, on_grid(eight_bit(255))) == ()


def test_eight_bits_of_little_contrast_are_a_scan_with_a_warning() -> None:
    (line,) = check_usable(FILE, on_grid(eight_bit(110)))
    assert "distinct values" in line


def test_a_parcellation_is_said() -> None:
    (line,) = check_usable(FILE, on_grid(parcellation(88)))
    assert "88 distinct values" in line


@pytest.mark.parametrize("padding", [-1.0, 0.0, -1000.0])
def test_two_kinds_of_padding_are_no_mask(padding: float) -> None:
    array = SMALL.array.copy()
    array[:10] = padding
    assert check_usable(FILE, on_grid(array)) == ()


def test_standardised_intensities_are_a_scan() -> None:
    assert check_usable(FILE, on_grid((SMALL.array - 300) / 100)) == ()


@pytest.mark.parametrize(
    ("sides", "said"), [((0.8, 0.8, 4.0), True), ((1.0, 2.0, 2.0), False), ((3.0, 1.1, 1.1), True)]
)
def test_a_side_more_than_twice_another_is_said(sides: tuple[float, float, float], said: bool) -> None:
    grid = Grid(SMALL.grid.size, sides, SMALL.grid.origin, SMALL.grid.direction)
    lines = check_usable(FILE, Volume(SMALL.array, grid))
    assert [("stack of slices" in line) for line in lines] == [True] * said
