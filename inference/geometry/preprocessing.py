"""Intensity normalisation of an image before a network sees it."""

from __future__ import annotations

import torch
from torch import Tensor

#: Normalised intensities are clipped to this many standard deviations.
CLIP_SD = 5.0


def standardise(image: Tensor, inside: Tensor | None = None) -> Tensor:
    """Mean 0 and standard deviation 1, clipped.

    Args:
        image: float32, any shape.
        inside: bool, the voxels that the statistics are taken from; those that are not 0 where None.
            A voxel brighter than their 99.5th percentile counts as that percentile.

    Returns:
        float32 of the same shape.
    """
    values = image[inside if inside is not None else image != 0]
    if values.numel() < 8:
        return torch.zeros_like(image)
    # kthvalue, since torch.quantile refuses more than 2^24 values
    top = values.flatten().kthvalue(max(1, int(0.995 * values.numel()))).values
    values = values.clamp(max=top)
    return ((image - values.mean()) / values.std().clamp_min(1e-6)).clamp(-CLIP_SD, CLIP_SD)


def signal(image: Tensor) -> Tensor:
    """Voxels (bool, the image's shape) that hold signal rather than noise: brighter than a fifth of the bright ones.

    Noise of a magnitude image has a floor above 0: without this a small brain in a large noisy volume
    would be standardised by the noise.
    """
    positive = image[image > 0]
    if positive.numel() < 8:
        return image > 0
    return image > 0.2 * positive.kthvalue(max(1, int(0.995 * positive.numel()))).values
