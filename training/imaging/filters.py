"""Gaussian filters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Full width at half maximum of a Gaussian whose standard deviation is 1: 2 √(2 ln 2).
FWHM_PER_SD = 2.3548
#: Standard deviation of a Gaussian whose full width at half maximum is 1.
SD_PER_FWHM = 1 / FWHM_PER_SD
#: Kernels end after this many standard deviations, but not before one voxel.
_REACH = 2.5
#: Standard deviations (voxels) below this change nothing.
_NEGLIGIBLE = 0.2


def blur(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur of one image by products with matrices: for large kernels, a tenth of a convolution's time.

    Args:
        image: (Z, Y, X) float32; zeros outside.
        sigmas: standard deviation (voxels) along z, y and x.
    """
    for axis, sigma in enumerate(sigmas):
        if sigma < _NEGLIGIBLE:
            continue
        at = torch.arange(image.shape[axis], dtype=torch.float32)
        steps = (at[:, None] - at).abs()
        kernel = torch.exp(-0.5 * (steps / sigma) ** 2) * (steps <= max(1, round(_REACH * sigma)))
        middle = kernel[:, len(at) // 2].sum()
        image = (image.movedim(axis, -1) @ (kernel / middle)).movedim(-1, axis)
    return image.contiguous()


def blur_maps(maps: Tensor, sigma: float, padding: str = "zeros") -> Tensor:
    """Gaussian blur of several maps by convolutions. ``blur`` rounds otherwise: the two do not stand in for each other.

    Args:
        maps: (C, Z, Y, X) float32.
        sigma: standard deviation (voxels) along each axis.
        padding: beyond the border, ``zeros`` or ``replicate`` for what is on it.
    """
    if sigma < _NEGLIGIBLE:
        return maps
    reach = max(1, round(_REACH * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(len(maps), 1, 1)
    mode = "constant" if padding == "zeros" else padding
    for axis in (1, 2, 3):
        rows = maps.movedim(axis, -1)
        padded = F.pad(rows.flatten(1, 2).movedim(1, 0), (reach, reach), mode=mode)
        maps = F.conv1d(padded, kernel, groups=len(maps)).movedim(0, 1).view(rows.shape).movedim(-1, axis)
    return maps
