"""Intensity normalisation and resampling of a volume before a network sees it."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from feta.grid import Matrix
from feta.volumes import Volume
from inference.geometry.frames import index_to_ras, resample

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


def to_box(volume: Volume, frame_to_ras: Matrix, box_to_frame: Matrix, size: tuple[int, int, int]) -> Tensor:
    """Resample a volume into an isotropic box of another frame, without aliasing.

    Args:
        volume: float32 image.
        frame_to_ras: 4×4, from the frame's mm to the image's physical RAS mm.
        box_to_frame: 4×4, from the box's index (x, y, z) to the frame's mm.
        size: voxels of the box along (x, y, z).

    Returns:
        (1, size z, size y, size x) float32, 0 outside the image.
    """
    spacing = float(np.linalg.norm(box_to_frame[:3, 0]))
    matrix = np.linalg.inv(index_to_ras(volume.grid)) @ frame_to_ras @ box_to_frame
    # A Gaussian whose width makes up the difference between the two voxel sizes (full width at half maximum).
    sigmas = [np.sqrt(max(spacing**2 - s**2, 0.0)) / (2.355 * s) for s in volume.grid.spacing[::-1]]
    array = volume.array.astype(np.float32)
    if max(sigmas) > 0.3:
        array = ndimage.gaussian_filter(array, sigmas, mode="nearest", truncate=2.5)
    return resample(torch.from_numpy(array)[None], matrix, size)
