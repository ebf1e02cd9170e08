"""What the networks are trained to make small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weight of each resolution in deep supervision, the finest first.
DEEP_WEIGHTS = (1.0, 0.5, 0.25, 0.125)


def dice_and_cross_entropy(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 − mean soft Dice over the labels other than background, plus the mean cross-entropy.

    Both come from one softmax, and no one-hot map is made: at 96³ this is a third of a step's time saved.

    Args:
        logits: (N, L, Z, Y, X).
        target: (N, Z, Y, X) int64.
        smooth: added to numerator and denominator, so that an absent label that is not predicted costs nothing.
    """
    labels = logits.shape[1]
    log_probability = logits.float().log_softmax(1)
    of_target = log_probability.gather(1, target[:, None]).flatten()
    where = target.flatten()
    overlap = torch.zeros(labels, device=logits.device).index_add(0, where, of_target.exp())
    total = log_probability.exp().sum((0, 2, 3, 4)) + torch.bincount(where, minlength=labels)
    dice = (2 * overlap + smooth) / (total + smooth)
    return 1 - dice[1:].mean() - of_target.mean()


def segmentation_loss(outputs: list[Tensor], target: Tensor) -> Tensor:
    """Soft Dice + cross-entropy, at every resolution that has logits.

    Args:
        outputs: logits (N, L, Z/2ⁱ, Y/2ⁱ, X/2ⁱ), the finest first.
        target: (N, Z, Y, X) int64.
    """
    total = torch.zeros(())
    for weight, logits in zip(DEEP_WEIGHTS, outputs, strict=False):
        step = target.shape[1] // logits.shape[2]
        total = total + weight * dice_and_cross_entropy(logits, target[:, ::step, ::step, ::step])
    return total / sum(DEEP_WEIGHTS[: len(outputs)])


def place_loss(output: Tensor, labels: Tensor, places: Tensor, upright: Tensor) -> Tensor:
    """What the locator learns: whether a brain is upright and, where it is, its tissues and places.

    Tissues: cross-entropy, brain and background balanced (a young brain fills half a percent of a volume),
    and soft Dice. Places: absolute error within the brain. Uprightness: cross-entropy within the brain.

    Args:
        output: (N, 12, Z, Y, X): eight labels' logits, the logit of uprightness, the place (x, y, z).
        labels: (N, Z, Y, X) int64.
        places: (N, 3, Z, Y, X) in units of the brain's size.
        upright: (N,) bool; of the others only the uprightness and where the brain is are learned.
    """
    output = output.float()
    brain = labels > 0
    inside, outside = brain.sum().clamp_min(1), (~brain).sum().clamp_min(1)
    said = F.binary_cross_entropy_with_logits(
        output[:, 8], upright[:, None, None, None].float().expand_as(output[:, 8]), reduction="none"
    )
    is_brain = output[:, 1:8].logsumexp(1) - output[:, 0]
    wrong = F.binary_cross_entropy_with_logits(is_brain, brain.float(), reduction="none")
    total = (said * brain).sum() / inside + (wrong * brain).sum() / inside + (wrong * ~brain).sum() / outside
    if not upright.any():
        return total
    output, labels, places, brain = (part[upright] for part in (output, labels, places, brain))
    error = ((output[:, 9:] - places).abs().sum(1) * brain).sum() / brain.sum().clamp_min(1)
    return total + dice_and_cross_entropy(output[:, :8], labels) + 3 * error
