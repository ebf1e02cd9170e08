"""Signals of the image, on a ball of white matter in grey matter in fluid, about which all is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from feta.volumes import Volume
from inference.confidence.image_signals import image_signals
from tests.support.small_brains import volume

LEVELS = {0: 0.0, 1: 300.0, 2: 120.0, 3: 180.0}


def ball(side: int = 40) -> npt.NDArray[np.uint8]:
    """Labels 1 to 3 from outside in."""
    z, y, x = np.mgrid[:side, :side, :side] - (side - 1) / 2
    far = np.sqrt(x**2 + y**2 + z**2) / (0.45 * side)
    return np.select([far < 0.6, far < 0.8, far < 1], [3, 2, 1], 0).astype(np.uint8)


def imaged(labels: npt.NDArray[np.uint8], noise: float = 2.0) -> Volume:
    """What a scanner would make of them."""
    values = np.vectorize(LEVELS.__getitem__, otypes=[np.float32])(labels)
    grain = np.random.default_rng(0).normal(0, noise, labels.shape)
    return volume(np.where(labels > 0, values + grain, 0).astype(np.float32))


def signals(image: Volume, labels: npt.NDArray[np.uint8]) -> dict[str, float]:
    return image_signals(image, volume(labels))


def test_fluid_is_brighter_than_white_matter_and_grey_matter_darker() -> None:
    found = signals(imaged(ball()), ball())
    assert found["contrast_fluid"] > 0
    assert found["contrast_grey"] > 0


def test_inverted_intensities_turn_the_contrast() -> None:
    image = imaged(ball())
    turned = Volume(np.where(image.array > 0, 350 - image.array, 0).astype(np.float32), image.grid)
    assert signals(turned, ball())["contrast_fluid"] < 0


def test_signal_to_noise_of_white_matter_is_its_mean_over_its_standard_deviation() -> None:
    assert signals(imaged(ball(), noise=6.0), ball())["snr"] == pytest.approx(np.log(180 / 6), abs=0.1)


def test_every_other_slice_without_signal_is_half_of_them() -> None:
    image = imaged(ball())
    image.array[:, ::2] = 0
    assert signals(image, ball())["blank_slices"] == pytest.approx(0.5, abs=0.05)
    assert signals(imaged(ball()), ball())["blank_slices"] == 0


def test_a_brain_that_is_cut_in_the_middle_has_its_largest_slice_at_the_end() -> None:
    labels = ball()
    assert signals(imaged(labels), labels)["flat_end"] < 0.2
    labels[:20] = 0
    assert signals(imaged(labels), labels)["flat_end"] == pytest.approx(1.0, abs=0.02)


def test_brightness_that_jumps_from_slice_to_slice_is_seen_and_a_slope_is_not() -> None:
    labels, image = ball(), imaged(ball())
    slope = Volume((image.array * np.linspace(0.6, 1.4, 40)[:, None, None]).astype(np.float32), image.grid)
    jumps = Volume((image.array * (1 + 0.3 * (np.arange(40) % 2))[:, None, None]).astype(np.float32), image.grid)
    assert signals(slope, labels)["slice_jumps"] < signals(jumps, labels)["slice_jumps"] / 2


def test_voxels_as_long_as_slices_are_thick_are_anisotropic() -> None:
    labels = ball()
    grid = volume(labels, (0.8, 0.8, 3.2))
    found = image_signals(Volume(imaged(labels).array, grid.grid), grid)
    assert found["anisotropy"] == pytest.approx(np.log(4))


def test_an_empty_label_map_has_no_signals_and_no_warnings() -> None:
    with np.errstate(all="raise"):
        found = signals(imaged(ball()), np.zeros_like(ball()))
    assert np.isnan(found["contrast_fluid"])
    assert np.isfinite(found["spacing"])


def test_one_tissue_alone_is_no_error() -> None:
    labels = np.where(ball() > 0, 5, 0).astype(np.uint8)
    found = signals(imaged(ball()), labels)
    assert np.isnan(found["contrast_fluid"])
    assert found["flat_end"] < 0.2
