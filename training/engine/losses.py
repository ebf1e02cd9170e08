"""What the networks are trained to make small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from feta.labels import LABEL_COUNT
from training.data.partial_labels import COMPLETE, Groups, marginal
from training.engine.distributed import summed
from training.engine.topology_losses import cl_dice_loss, euler_loss

#: Weight of each resolution in deep supervision, the finest first.
DEEP_WEIGHTS = (1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True)
class LossSettings:
    """What is added to soft Dice and cross-entropy, at the finest resolution.

    Attributes:
        cl_dice: weight of 1 − clDice of ``thin`` tissues.
        thin: labels of sheets and tubes.
        erosions: half the thickness of those, in voxels.
        euler: weight of the error of the Euler characteristic, all tissues.
        window: side in voxels of the windows in which that is counted.
    """

    cl_dice: float = 0.0
    thin: tuple[int, ...] = (1, 2)
    erosions: int = 2
    euler: float = 0.0
    window: int = 16

    def __post_init__(self) -> None:
        if self.window < 1 or self.erosions < 1:
            raise ValueError("window and erosions must be 1 or more")
        if not self.thin or not set(self.thin) <= set(range(1, LABEL_COUNT)):
            raise ValueError("thin must name tissues, 1 to 7")


def dice_and_cross_entropy(logits: Tensor, target: Tensor, groups: Groups = COMPLETE, smooth: float = 1.0) -> Tensor:
    """1 − mean soft Dice over the labels other than background, plus the mean cross-entropy.

    Both come from one softmax, and no one-hot map is made: at 96³ this is a third of a step's time saved. Where
    several processes share a batch, both are those of the whole batch, and every process must take part.

    Args:
        logits: (N, L, Z, Y, X); N may be 0 in a process, as long as another has a sample.
        target: (N, Z, Y, X) int64, numbers of groups.
        groups: labels that the target does not tell apart; with eight groups they are the labels themselves.
        smooth: added to numerator and denominator, so that an absent label that is not predicted costs nothing.
    """
    log_probability = marginal(logits.float().log_softmax(1), groups)
    labels = log_probability.shape[1]
    of_target = log_probability.gather(1, target[:, None]).flatten()
    where = target.flatten()
    overlap = torch.zeros(labels, device=logits.device).index_add(0, where, of_target.exp())
    total = log_probability.exp().sum((0, 2, 3, 4)) + torch.bincount(where, minlength=labels)
    voxels = torch.stack((of_target.sum(), of_target.new_full((), of_target.numel())))
    overlap, total, (likelihood, count) = summed(torch.cat((overlap, total, voxels))).tensor_split((labels, 2 * labels))
    dice = (2 * overlap + smooth) / (total + smooth)
    return 1 - dice[1:].mean() - likelihood / count


def segmentation_loss(
    outputs: list[Tensor], target: Tensor, settings: LossSettings | None = None, groups: Groups = COMPLETE
) -> Tensor:
    """Soft Dice + cross-entropy at every resolution that has logits, and what the settings add.

    Where several processes share a batch, it is the whole batch's, the same in all of them. Each must call this, with
    an empty part (N = 0) where it has no sample, as sums are taken over processes here and in the backward pass.

    Args:
        outputs: logits (N, L, Z/2ⁱ, Y/2ⁱ, X/2ⁱ), the finest first; an axis may stay as fine as the target's.
        target: (N, Z, Y, X) int64, numbers of groups.
        settings: of the terms about topology, which hold for complete label sets alone; None: without them.
        groups: labels that the target does not tell apart.
    """
    total = torch.zeros(())
    for weight, logits in zip(DEEP_WEIGHTS, outputs, strict=False):
        z, y, x = (n // m for n, m in zip(target.shape[1:], logits.shape[2:], strict=True))
        total = total + weight * dice_and_cross_entropy(logits, target[:, ::z, ::y, ::x], groups)
    total = total / sum(DEEP_WEIGHTS[: len(outputs)])
    return total + _topology(outputs[0], target, settings) if settings and groups == COMPLETE else total


def _topology(logits: Tensor, target: Tensor, s: LossSettings) -> Tensor | float:
    if not (s.cl_dice or s.euler):
        return 0.0
    logits = logits.float()
    # Without samples: a zero that has a gradient, so that this process takes part in the backward pass, too.
    total = _topology_of_part(logits, target, s) * len(target) if len(target) else logits.sum()
    total, count = summed(torch.stack((total, total.new_full((), len(target)))))
    return total / count


def _topology_of_part(logits: Tensor, target: Tensor, s: LossSettings) -> Tensor:
    """The mean over this process's samples."""
    probability = logits.softmax(1)
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1).float()
    total = torch.zeros((), device=logits.device)
    if s.cl_dice:
        thin = list(s.thin)
        total = total + s.cl_dice * cl_dice_loss(probability[:, thin], truth[:, thin], s.erosions)
    if s.euler:
        total = total + s.euler * euler_loss(probability[:, 1:], truth[:, 1:], s.window)
    return total


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
