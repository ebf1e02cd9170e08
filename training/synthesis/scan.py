"""What scanner, brain mask and reconstruction make of a head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.imaging.filters import blur
from training.imaging.random_source import RandomSource
from training.synthesis.artefacts import apply_artefacts
from training.synthesis.masking import imperfect_mask
from training.synthesis.settings import ScanSettings, SynthesisSettings


def simulate_scan(
    draw: RandomSource, settings: SynthesisSettings, image: Tensor, distance: Tensor, labels: Tensor
) -> Tensor:
    """A head that is scanned, masked (or not) and reconstructed.

    Args:
        draw: of everything random.
        settings: ranges.
        image: (Z, Y, X) float32, the brain with mean 0 and standard deviation 1, and its surroundings.
        distance: (Z, Y, X) float32, mm outside the brain, 0 inside.
        labels: (Z, Y, X) int64, 0–7.

    Returns:
        (Z, Y, X) float32, not negative.
    """
    image = _acquired(draw, settings.scan, image, settings.spacing)
    masked = draw.bernoulli(settings.mask.masked)
    mask = imperfect_mask(draw, settings.mask, distance, labels, settings.spacing) if masked else None
    early = draw.bernoulli(0.5)  # masks are drawn before the reconstruction or after it
    if mask is not None and early:
        image = image * mask
    image = apply_artefacts(draw, settings.artefacts, image, settings.spacing)
    if mask is not None and not early:
        image = image * mask
    if draw.bernoulli(0.3):
        image = _noise_floor(draw, image, settings.spacing)
    return image


def _acquired(draw: RandomSource, s: ScanSettings, image: Tensor, spacing: float) -> Tensor:
    """Point spread function, coarser voxels, noise and bias field; the result (Z, Y, X) is not negative."""
    shape = (image.shape[0], image.shape[1], image.shape[2])
    image = blur(image, [draw.uniform(0, s.blur) / spacing for _ in range(3)])
    coarse = draw.uniform(spacing, max(s.coarse, spacing))
    small = [max(8, round(n * spacing / coarse)) for n in shape]
    low = F.interpolate(image[None, None], size=small, mode="trilinear", align_corners=True)
    low = low + draw.uniform(0, s.noise) * draw.normals(*low.shape)
    image = F.interpolate(low, size=shape, mode="trilinear", align_corners=True)[0, 0]
    return magnitude_image(draw, image, s.bias)


def magnitude_image(draw: RandomSource, image: Tensor, bias: float) -> Tensor:
    """Shade an image by a bias field, and change its contrast by a gamma curve.

    Args:
        draw: of everything random.
        image: (Z, Y, X) float32, the brain with mean 0 and standard deviation 1.
        bias: largest log gain of the bias field.

    Returns:
        (Z, Y, X) float32, not negative.
    """
    shape = (image.shape[0], image.shape[1], image.shape[2])
    gain = torch.exp(draw.uniform(0, bias) * draw.smooth_field(shape, knots=2 + draw.integer(3))[0].clamp(-2, 2))
    image = (image + draw.uniform(2.5, 4.0)).clamp_min(0) * gain  # magnitude images are positive
    return (image / 3) ** draw.uniform(0.7, 1.4)


def _noise_floor(draw: RandomSource, image: Tensor, spacing: float) -> Tensor:
    """The floor that Rician noise gives a magnitude image (Z, Y, X), smoother the larger the voxels are."""
    level = draw.uniform(0, 0.2) * float(image[image > 0].mean())
    floor = level * (1.25 + 0.65 / spacing**1.5 * draw.normals(*image.shape))
    return torch.sqrt(image**2 + floor.clamp_min(0) ** 2)
