import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses import dice_and_cross_entropy, place_loss, segmentation_loss


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
    outputs = [
        20.0 * F.one_hot(target[:, ::step, ::step, ::step], 8).movedim(-1, 1).float() for step in (1, 2)
    ]
    assert segmentation_loss(outputs, target) < 1e-3


def test_the_finest_output_weighs_most() -> None:
    target = torch.randint(8, (1, 8, 8, 8))
    right, wrong = F.one_hot(target, 8).movedim(-1, 1).float() * 20, torch.zeros(1, 8, 8, 8, 8)
    fine_wrong = segmentation_loss([wrong, right[..., ::2, ::2, ::2]], target)
    coarse_wrong = segmentation_loss([right, wrong[..., ::2, ::2, ::2]], target)
    assert fine_wrong > 1.5 * coarse_wrong


def test_places_outside_the_brain_cost_nothing() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[0, 1:3, 1:3, 1:3] = 3
    places = torch.randn(1, 3, 4, 4, 4)
    logits = 20 * F.one_hot(labels, 8).movedim(-1, 1).float()
    right = torch.cat((logits, torch.where(labels[:, None] > 0, places, places + 9)), 1)
    wrong = torch.cat((logits, places + 0.1), 1)
    assert place_loss([right], labels, places) < 1e-3
    assert torch.allclose(place_loss([wrong], labels, places), torch.tensor(3 * 0.3), atol=1e-2)
