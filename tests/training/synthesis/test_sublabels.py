import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from feta.labels import LABEL_COUNT
from training.imaging.random_source import RandomSource
from training.synthesis.sublabels import regional_offsets

SHAPE = (16, 16, 32)
LABELS = (torch.arange(SHAPE[0]) // 2)[:, None, None].expand(SHAPE).contiguous()  # slabs of labels 0–7
DEPARTURE = torch.linspace(-1, 1, SHAPE[2]).expand(SHAPE).contiguous()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_offsets_are_finite_and_spare_the_background(seed: int) -> None:
    offsets = regional_offsets(RandomSource(seed), LABELS, DEPARTURE, 0.5)
    assert torch.isfinite(offsets).all()
    assert (offsets[LABELS == 0] == 0).all()


def test_without_size_there_are_none() -> None:
    assert (regional_offsets(RandomSource(0), LABELS, DEPARTURE, 0.0) == 0).all()


def test_tissues_have_functions_of_their_own() -> None:
    offsets = regional_offsets(RandomSource(2), LABELS, DEPARTURE, 0.5)
    profiles = torch.stack([offsets[label == LABELS].view(-1, SHAPE[2]).mean(0) for label in range(1, LABEL_COUNT)])
    assert (torch.cdist(profiles, profiles) > 0.05).sum() > 30  # of 42 pairs of different tissues


def test_functions_may_rise_and_fall() -> None:
    turns = 0
    for seed in range(10):
        offsets = regional_offsets(RandomSource(seed), LABELS, DEPARTURE, 0.5)
        slopes = offsets.view(LABEL_COUNT, -1, SHAPE[2]).mean(1).diff(dim=1)
        turns += int(((slopes > 0.01).any(1) & (slopes < -0.01).any(1)).sum())
    assert turns > 10  # of seventy


def test_a_departure_beyond_the_table_is_as_at_its_end() -> None:
    far = regional_offsets(RandomSource(4), LABELS, torch.full(SHAPE, 50.0), 0.5)
    assert torch.isfinite(far).all()
