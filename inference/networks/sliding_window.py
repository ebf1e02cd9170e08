"""Prediction patch by patch, blended with Gaussian weights (nnU-Net; Isensee et al., Nature Methods 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inference.networks.device import Compute

#: Standard deviation of the weights, as a share of the patch's side.
SIGMA_SHARE = 1 / 8


def starts(length: int, patch: int, overlap: float) -> list[int]:
    """First voxels of evenly spread patches that cover a length.

    Args:
        length: at least ``patch``.
        patch: side of a patch.
        overlap: share of a patch that neighbours have in common, at least, rounded to voxels as nnU-Net does.
    """
    steps = 1 + math.ceil((length - patch) / max(1.0, patch * (1 - overlap)))
    if steps == 1:
        return [0]
    return [round(i * (length - patch) / (steps - 1)) for i in range(steps)]


def gaussian(shape: tuple[int, ...]) -> Tensor:
    """Weights of a patch, (Z, Y, X) float32: 1 in the middle, never 0."""
    weights = torch.ones(())
    for side in shape:
        at = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        weights = weights[..., None] * torch.exp(-0.5 * (at / (side * SIGMA_SHARE)) ** 2)
    return weights.clamp_min(1e-4)


@torch.inference_mode()
def softmax(network: nn.Module, compute: Compute, patch: Tensor) -> Tensor:
    """Probabilities (N, labels, Z, Y, X) float32 of a patch (N, C, Z, Y, X) that lies on the device of ``compute``."""
    with compute.precision():
        return network(patch).float().softmax(1)


def predict(
    image: Tensor,
    network: Callable[[Tensor], Tensor],
    channels: int,
    patch: tuple[int, int, int],
    overlap: float = 0.5,
    weights: Tensor | None = None,
) -> Tensor:
    """Blend the network's probabilities (or logits) over overlapping patches.

    Args:
        image: (C, Z, Y, X) float32, each side at least the patch's.
        network: (1, C, z, y, x) → probabilities (1, channels, z, y, x).
        channels: of the output.
        patch: (z, y, x).
        overlap: share of a patch that neighbours have in common.
        weights: (z, y, x) of a patch's voxels, above 0; ``gaussian`` where None.

    Returns:
        (channels, Z, Y, X) float32, probabilities that sum to 1.
    """
    if image.shape[1:] == patch:
        return network(image[None])[0].float()
    weights = (gaussian(patch) if weights is None else weights).to(image.device)
    total = torch.zeros((channels, *image.shape[1:]), device=image.device)
    norm = torch.zeros(image.shape[1:], device=image.device)
    for z in starts(image.shape[1], patch[0], overlap):
        for y in starts(image.shape[2], patch[1], overlap):
            for x in starts(image.shape[3], patch[2], overlap):
                box = (slice(z, z + patch[0]), slice(y, y + patch[1]), slice(x, x + patch[2]))
                output = network(image[(slice(None), *box)][None])[0].float()
                total[(slice(None), *box)] += output * weights
                norm[box] += weights
    return total.div_(norm)
