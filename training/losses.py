"""What the networks are trained to make small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Weight of each resolution in deep supervision, the finest first.
DEEP_WEIGHTS = (1.0, 0.5, 0.25, 0.125)


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 − mean soft Dice over the labels other than background.

    Args:
        logits: (N, L, Z, Y, X).
        target: (N, Z, Y, X) int64.
        smooth: added to numerator and denominator, so that an absent label that is not predicted costs nothing.
    """
    probability = logits.float().softmax(1)
    onehot = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(probability.dtype)
    axes = (0, 2, 3, 4)
    overlap = (probability * onehot).sum(axes)
    total = (probability + onehot).sum(axes)
    return 1 - ((2 * overlap + smooth) / (total + smooth))[1:].mean()


def segmentation_loss(outputs: list[Tensor], target: Tensor) -> Tensor:
    """Soft Dice + cross-entropy, at every resolution that has logits.

    Args:
        outputs: logits (N, L, Z/2ⁱ, Y/2ⁱ, X/2ⁱ), the finest first.
        target: (N, Z, Y, X) int64.
    """
    total = torch.zeros(())
    for weight, logits in zip(DEEP_WEIGHTS, outputs, strict=False):
        small = target
        if logits.shape[2:] != target.shape[1:]:
            small = F.interpolate(target[:, None].float(), size=logits.shape[2:], mode="nearest-exact")[:, 0].long()
        total = total + weight * (soft_dice_loss(logits, small) + F.cross_entropy(logits.float(), small))
    return total / sum(DEEP_WEIGHTS[: len(outputs)])


def place_loss(outputs: list[Tensor], brain: Tensor, places: Tensor) -> Tensor:
    """Brain mask (cross-entropy + soft Dice) and, inside it, the places' absolute error; finest output only.

    Args:
        outputs: the first is (N, 4, Z, Y, X): logit of brain, then the place (x, y, z).
        brain: (N, Z, Y, X) float, 0 or 1.
        places: (N, 3, Z, Y, X) in units of the brain's size.
    """
    output = outputs[0].float()
    mask = F.binary_cross_entropy_with_logits(output[:, 0], brain)
    probability = output[:, 0].sigmoid()
    dice = 1 - (2 * (probability * brain).sum() + 1) / (probability.sum() + brain.sum() + 1)
    error = ((output[:, 1:] - places).abs().sum(1) * brain).sum() / brain.sum().clamp_min(1)
    return mask + dice + 3 * error
