"""Regions within a tissue that differ in intensity: layers of the white matter, nuclei of the deep grey matter.

An atlas's departure from its tissue's mean tells such regions apart. Within each tissue a random function with
a few soft steps is drawn on it, monotone or not, so that each of the regions gets an intensity of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from feta.labels import LABEL_COUNT
from training.imaging.random_source import RandomSource

#: Steps that a tissue's function has at most.
STEPS = 4
#: The function is tabulated between minus and plus this departure (standard deviations of the brain).
REACH = 2.5
BINS = 64
#: A tissue's mean and spread are taken from every fourth voxel along each axis.
_STRIDE = 4


def regional_offsets(draw: RandomSource, labels: Tensor, departure: Tensor, size: float) -> Tensor:
    """Offsets of intensity for regions within each tissue.

    Args:
        draw: of the steps, and of a slow field that moves the regions' borders from place to place.
        labels: (Z, Y, X) int64, 0–7.
        departure: (Z, Y, X) float32, of the atlas's T2w from its tissue's mean, in the brain's standard deviations.
        size: standard deviation of a region's offset.

    Returns:
        (Z, Y, X) float32; 0 in the background.
    """
    table = _table(draw, *_spread(labels, departure), size)
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    moved = departure + draw.uniform(0, 0.3) * draw.smooth_field(shape, knots=4 + draw.integer(6))[0]
    at = ((moved + REACH) * ((BINS - 1) / (2 * REACH))).clamp_(0, BINS - 1.001)
    low = at.long()
    index = low + labels * BINS
    flat = table.flatten()
    return torch.lerp(flat[index], flat[index + 1], at - low)


def _spread(labels: Tensor, departure: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (8,) of the departure in each tissue."""
    thin = (slice(None, None, _STRIDE),) * 3
    where, values = labels[thin].flatten(), departure[thin].flatten()
    count = torch.bincount(where, minlength=LABEL_COUNT).clamp_min(1)
    mean = torch.zeros(LABEL_COUNT).index_add(0, where, values) / count
    square = torch.zeros(LABEL_COUNT).index_add(0, where, values**2) / count
    return mean, (square - mean**2).clamp_min(0.0025).sqrt()


def _table(draw: RandomSource, mean: Tensor, spread: Tensor, size: float) -> Tensor:
    """(8, BINS) offsets at departures from −REACH to REACH; the row of the background is 0."""
    at = torch.linspace(-REACH, REACH, BINS)
    borders = mean[:, None] + spread[:, None] * draw.normals(LABEL_COUNT, STEPS)
    width = spread[:, None] * (0.05 + 0.4 * draw.uniforms(LABEL_COUNT, STEPS))
    used = draw.uniforms(LABEL_COUNT, STEPS) < 0.6
    heights = size * draw.normals(LABEL_COUNT, STEPS) * used
    heights[0] = 0
    # A step goes from minus to plus half its height, so that a tissue's mean stays about where it was.
    steps = torch.sigmoid((at - borders[..., None]) / width[..., None]) - 0.5
    return (heights[..., None] * steps).sum(1)
