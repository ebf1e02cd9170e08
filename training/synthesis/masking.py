"""Brain masks as brain extraction leaves them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.imaging.filters import blur
from training.imaging.random_source import RandomSource
from training.synthesis.settings import MaskSettings

#: Standard deviation (mm) of the blur that rounds a mask cut into the brain.
MASK_BLUR_MM = 2.0


def imperfect_mask(draw: RandomSource, s: MaskSettings, distance: Tensor, labels: Tensor, spacing: float) -> Tensor:
    """A brain mask that is too wide, ragged, or cuts into the brain; with islands.

    Args:
        draw: of everything random.
        s: shares and ranges.
        distance: (Z, Y, X) float32, mm outside the brain, 0 inside.
        labels: (Z, Y, X) int64, 0–7.
        spacing: mm.

    Returns:
        (Z, Y, X) float32, 0–1.
    """
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    wide = draw.uniform(-0.5, 4.0) if draw.bernoulli(0.8) else draw.uniform(3.0, 12.0)
    ragged = draw.uniform(0.0, 1.5) * draw.smooth_field(shape, knots=8)[0]
    kind = draw.uniform(0, 1)
    if kind < s.tight:
        mask = _cut(labels, draw.uniform(0, s.tight_mm) + (0.5 * ragged).clamp(-1, 1), spacing)
    elif kind < s.tight + s.exact:
        mask = _dilated((labels > 0).float(), draw.integer(2))
    else:
        mask = ((labels > 0) | (distance < wide + ragged)).float()
    if draw.bernoulli(0.4):  # stray islands, rounded or blocky, some of them touching the brain
        knots = 5 + draw.integer(8)
        field = draw.smooth_field(shape, knots)[0] if draw.bernoulli(0.5) else draw.block_field(shape, knots)
        islands = field > draw.uniform(1.4, 2.6)
        mask = torch.maximum(mask, (islands & (distance > draw.uniform(0.5, 8))).float())
    return blur(mask, [draw.uniform(0.5, s.soft_mm) / spacing] * 3) if draw.bernoulli(s.soft) else mask


def _dilated(mask: Tensor, voxels: int) -> Tensor:
    """A mask (Z, Y, X) wider by some voxels all around."""
    return F.max_pool3d(mask[None, None], 2 * voxels + 1, stride=1, padding=voxels)[0, 0]


def _cut(labels: Tensor, depth: Tensor, spacing: float) -> Tensor:
    """The brain (Z, Y, X) without its outer ``depth`` mm (Z, Y, X), its surface rounded."""
    soft = blur((labels > 0).float(), [MASK_BLUR_MM / spacing] * 3)
    return (soft > torch.special.ndtr(depth / MASK_BLUR_MM)).float()
