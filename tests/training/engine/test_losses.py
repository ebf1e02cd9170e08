import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.losses import dice_and_cross_entropy, place_loss, segmentation_loss


@given(st.integers(0, 1000), st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_equals_the_textbook_form(seed: int, labels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, labels, 4, 5, 6, generator=generator)
    target = torch.randint(labels, (2, 4, 5, 6), generator=generator)
    probability = logits.softmax(1)
    onehot = F.one_hot(target, labels).movedim(-1, 1).float()
    axes = (0, 2, 3, 4)
    dice = (2 * (probability * onehot).sum(axes) + 1) / ((probability + onehot).sum(axes) + 1)
    expected = 1 - dice[1:].mean() + F.cross_entropy(logits, target)
    assert torch.allclose(dice_and_cross_entropy(logits, target), expected, atol=1e-5)


def test_a_perfect_prediction_costs_next_to_nothing() -> None:
    target = torch.randint(8, (1, 8, 8, 8))
    outputs = [20.0 * F.one_hot(target[:, ::step, ::step, ::step], 8).movedim(-1, 1).float() for step in (1, 2)]
    assert segmentation_loss(outputs, target) < 1e-3


def test_the_finest_output_weighs_most() -> None:
    target = torch.randint(8, (1, 8, 8, 8))
    right, wrong = F.one_hot(target, 8).movedim(-1, 1).float() * 20, torch.zeros(1, 8, 8, 8, 8)
    fine_wrong = segmentation_loss([wrong, right[..., ::2, ::2, ::2]], target)
    coarse_wrong = segmentation_loss([right, wrong[..., ::2, ::2, ::2]], target)
    assert fine_wrong > 1.5 * coarse_wrong


def _ideal(labels: torch.Tensor, places: torch.Tensor, upright: bool) -> torch.Tensor:
    logits = 20 * F.one_hot(labels, 8).movedim(-1, 1).float()
    said = torch.full_like(logits[:, :1], 20.0 if upright else -20.0)
    return torch.cat((logits, said, places), 1)


def test_the_locator_is_not_held_to_places_outside_the_brain() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[0, 1:3, 1:3, 1:3] = 3
    places = torch.randn(1, 3, 4, 4, 4)
    upright = torch.tensor([True])
    elsewhere = torch.where(labels[:, None] > 0, places, places + 9)
    assert place_loss(_ideal(labels, elsewhere, True), labels, places, upright) < 1e-3
    off = place_loss(_ideal(labels, places + 0.1, True), labels, places, upright)
    assert torch.allclose(off, torch.tensor(3 * 0.3), atol=1e-2)


def test_of_a_turned_head_only_where_it_is_and_that_it_is_turned_counts() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[0, 1:3, 1:3, 1:3] = 3
    places, turned = torch.randn(1, 3, 4, 4, 4), torch.tensor([False])
    other_tissue = torch.where(labels > 0, 5, 0)
    assert place_loss(_ideal(other_tissue, places + 1, False), labels, places, turned) < 1e-3
    assert place_loss(_ideal(labels, places, True), labels, places, turned) > 10
