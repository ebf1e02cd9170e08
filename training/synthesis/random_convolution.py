"""Global intensity non-linearity: a shallow random convolutional network changes an image's intensities.

After Ouyang et al., "Causality-inspired single-source domain generalization for medical image segmentation"
(IEEE TMI 2023): four layers of two channels with weights drawn anew for each image, mixed with the image.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from training.imaging.random_source import RandomSource

LAYERS, WIDTH = 4, 2
#: Share of the layers that see a voxel's neighbours; the others map intensity to intensity.
NEIGHBOURS = 0.25
#: Largest share of the network's output in the result: beyond, tissues merge too often.
MOST = 0.8
#: Slope of the activation below 0.
SLOPE = 0.01
_EPSILON = 1e-6


def gin(draw: RandomSource, image: Tensor, inside: Tensor) -> Tensor:
    """Pass an image through a random network and mix it with itself.

    Args:
        draw: of the weights and of the share of the network's output, uniform up to ``MOST``.
        image: (Z, Y, X) float32.
        inside: bool, the same shape: voxels whose mean and standard deviation stay what they are.

    Returns:
        (Z, Y, X) float32; where nothing is inside, the image itself.
    """
    values = image[inside]
    if values.numel() < 2:
        return image
    mean, sd = values.mean(), values.std()
    changed = _standard(_network(draw, (image - mean) / sd.clamp_min(_EPSILON)), inside)
    share = draw.uniform(0, MOST)
    mixed = share * changed + (1 - share) * (image - mean) / sd.clamp_min(_EPSILON)
    return _standard(mixed, inside) * sd + mean


def _network(draw: RandomSource, image: Tensor) -> Tensor:
    x = image[None, None]
    widths = [1, *([WIDTH] * (LAYERS - 1)), 1]
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        side = 3 if draw.bernoulli(NEIGHBOURS) else 1
        weights = draw.normals(outputs, inputs, side, side, side)
        x = F.conv3d(x, weights, draw.normals(outputs), padding=side // 2)
        if layer < LAYERS - 1:
            x = F.leaky_relu(x, SLOPE)
    return x[0, 0]


def _standard(image: Tensor, inside: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 inside; an image without contrast becomes 0."""
    values = image[inside]
    return (image - values.mean()) / torch.clamp(values.std(), min=_EPSILON)
