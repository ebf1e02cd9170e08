import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.imaging.filters import blur
from training.imaging.random_source import RandomSource
from training.synthesis.artefacts import (
    apply_artefacts,
    bands,
    ghosts,
    motion,
    rician,
    ringing,
    slice_motion,
    smoothed,
)
from training.synthesis.settings import ArtefactSettings

SEEDS = st.integers(0, 2**31)
ALWAYS = ArtefactSettings(motion=1.0, ghosts=1.0, stacks=1.0, bands=1.0, ringing=1.0, smoothing=1.0, rician=1.0)
NEVER = ArtefactSettings(motion=0.0, ghosts=0.0, stacks=0.0, bands=0.0, ringing=0.0, smoothing=0.0, rician=0.0)


def _blob(shape: tuple[int, int, int] = (14, 16, 18)) -> Tensor:
    axes = [torch.linspace(-1, 1, n) for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return 2 + torch.sin(4 * x) * torch.cos(3 * y + z)


STRENGTHLESS = {
    "motion": lambda draw, image: motion(draw, image, 1.0, 0.0, 0.0),
    "ghosts": lambda draw, image: ghosts(draw, image, 0.0),
    "stacks": lambda draw, image: slice_motion(draw, image, 1.0, 0.0, 0.0),
    "bands": lambda draw, image: bands(draw, image, 1.0, 0.0),
    "ringing": lambda draw, image: ringing(draw, image, 1.0),
    "smoothing": lambda draw, image: smoothed(image, 0.0, 1),
    "noise": lambda draw, image: rician(draw, image, 0.0),
}
STRONG = {
    "motion": lambda draw, image: motion(draw, image, 1.0, 3.0, 6.0),
    "ghosts": lambda draw, image: ghosts(draw, image, 0.3),
    "stacks": lambda draw, image: slice_motion(draw, image, 1.0, 1.0, 3.0),
    "ringing": lambda draw, image: ringing(draw, image, 0.3),
    "smoothing": lambda draw, image: smoothed(image, 0.5, 1),
    "noise": lambda draw, image: rician(draw, image, 0.2),
}


@pytest.mark.parametrize("kind", STRENGTHLESS)
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_without_strength_an_artefact_leaves_the_image_as_it_is(kind: str, seed: int) -> None:
    image = _blob()
    assert torch.allclose(STRENGTHLESS[kind](RandomSource(seed), image), image, atol=1e-4)


@pytest.mark.parametrize("kind", STRONG)
def test_with_strength_it_does_not(kind: str) -> None:
    image = _blob()
    changes = [float((STRONG[kind](RandomSource(seed), image) - image).abs().max()) for seed in range(5)]
    assert max(changes) > 0.05


@given(seed=SEEDS)
@settings(max_examples=12, deadline=None)
def test_all_together_keep_shape_and_stay_finite_and_not_negative(seed: int) -> None:
    image = _blob()
    worse = apply_artefacts(RandomSource(seed), ALWAYS, image, 1.0)
    assert worse.shape == image.shape
    assert torch.isfinite(worse).all()
    assert worse.min() >= 0


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_same_seed_gives_the_same_artefacts(seed: int) -> None:
    image = _blob()
    assert torch.equal(
        apply_artefacts(RandomSource(seed), ALWAYS, image, 1.0), apply_artefacts(RandomSource(seed), ALWAYS, image, 1.0)
    )


def test_artefacts_that_never_come_change_nothing() -> None:
    assert torch.equal(apply_artefacts(RandomSource(3), NEVER, _blob(), 1.0), _blob())


def test_an_empty_image_stays_empty() -> None:
    empty = torch.zeros(12, 12, 12)
    assert all(apply_artefacts(RandomSource(seed), ALWAYS, empty, 1.0).abs().max() < 1e-6 for seed in range(3))


def test_ringing_oscillates_beside_an_edge_and_keeps_the_mean() -> None:
    step = torch.zeros(32, 32, 32)
    step[8:24, 8:24, 8:24] = 1
    rung = ringing(RandomSource(0), step + 2, 0.4)
    assert rung.max() > 3.03
    assert rung.mean() == pytest.approx(float((step + 2).mean()), rel=1e-4)


def test_smoothing_flattens_weak_texture_and_keeps_a_strong_edge() -> None:
    image = torch.ones(16, 16, 16)
    image[8:] = 9
    image = image + 0.2 * RandomSource(0).normals(16, 16, 16)
    flat = smoothed(image, 0.3, 1)
    assert flat[2:6].std() < 0.6 * image[2:6].std()
    assert flat[8].mean() - flat[7].mean() > 6


def test_motion_leaves_the_mean_where_the_centre_of_k_space_saw_it() -> None:
    image = torch.zeros(24, 24, 24)
    image[8:16, 8:16, 8:16] = 1
    for seed in range(5):
        spectrum_mean = torch.fft.fftn(motion(RandomSource(seed), image, 1.0, 2.0, 0.0))[0, 0, 0].abs() / image.numel()
        assert float(spectrum_mean) >= float(image.mean()) * (1 - 1e-4)  # magnitudes add up to no less


def test_rician_noise_of_an_empty_place_has_the_mean_that_rayleigh_gives() -> None:
    image = torch.ones(40, 40, 40)
    image[:20] = 0
    noisy = rician(RandomSource(0), image, 0.1)
    assert noisy[:20].mean() == pytest.approx(0.1 * (torch.pi / 2) ** 0.5, rel=0.03)


def test_blur_of_a_point_is_a_gaussian_of_its_width() -> None:
    point = torch.zeros(21, 21, 21)
    point[10, 10, 10] = 1
    spread = blur(point, [2.0, 0.0, 0.0])
    at = torch.arange(21) - 10
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert float((spread[:, 10, 10] * at**2).sum()) == pytest.approx(4.0, rel=0.12)  # cut at 2.5 sd
    assert (spread[:, 10, 9] == 0).all()
