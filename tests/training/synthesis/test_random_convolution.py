import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.imaging.random_source import RandomSource
from training.synthesis.random_convolution import gin

SEEDS = st.integers(0, 2**31)
IMAGE = 3 + 2 * RandomSource(0).smooth_field((10, 12, 14), knots=4)[0]
INSIDE = torch.zeros(10, 12, 14, dtype=torch.bool)
INSIDE[2:8, 2:10, 2:12] = True


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_mean_and_spread_inside_stay(seed: int) -> None:
    changed = gin(RandomSource(seed), IMAGE, INSIDE)
    assert torch.isfinite(changed).all()
    assert changed[INSIDE].mean() == pytest.approx(float(IMAGE[INSIDE].mean()), abs=1e-3)
    assert changed[INSIDE].std() == pytest.approx(float(IMAGE[INSIDE].std()), rel=1e-2)


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_same_seed_gives_the_same_image(seed: int) -> None:
    assert torch.equal(gin(RandomSource(seed), IMAGE, INSIDE), gin(RandomSource(seed), IMAGE, INSIDE))


def test_intensities_are_bent_rather_than_scaled() -> None:
    """A linear change would leave the correlation with the image at ±1."""
    pairs = [torch.stack((IMAGE[INSIDE], gin(RandomSource(seed), IMAGE, INSIDE)[INSIDE])) for seed in range(12)]
    assert min(float(torch.corrcoef(pair)[0, 1].abs()) for pair in pairs) < 0.9


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_flat_image_stays_flat(value: float) -> None:
    flat = torch.full((6, 6, 6), value)
    changed = gin(RandomSource(1), flat, torch.ones(6, 6, 6, dtype=torch.bool))
    assert torch.allclose(changed, flat, atol=1e-4)


def test_with_nothing_inside_the_image_is_itself() -> None:
    assert torch.equal(gin(RandomSource(1), IMAGE, torch.zeros_like(INSIDE)), IMAGE)
