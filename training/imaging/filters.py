"""Gaussian filters."""

from __future__ import annotations

import torch
from torch import Tensor


def blur(image: Tensor, sigmas: list[float]) -> Tensor:
    """Gaussian blur of (Z, Y, X) with one standard deviation (voxels) an axis; zeros outside."""
    for axis, sigma in enumerate(sigmas):
        if sigma < 0.2:
            continue
        # A product with a matrix takes a tenth of a convolution's time.
        at = torch.arange(image.shape[axis], dtype=torch.float32)
        steps = (at[:, None] - at).abs()
        kernel = torch.exp(-0.5 * (steps / sigma) ** 2) * (steps <= max(1, round(2.5 * sigma)))
        middle = kernel[:, len(at) // 2].sum()
        image = (image.movedim(axis, -1) @ (kernel / middle)).movedim(-1, axis)
    return image.contiguous()
