"""Intensity augmentation: contrast of the brain and of what lies around it."""

from __future__ import annotations

import torch
from torch import Tensor

from feta.labels import LABEL_COUNT
from training.data.subject import Subject
from training.imaging.random_source import RandomSource
from training.synthesis.random_convolution import gin
from training.synthesis.settings import IntensitySettings
from training.synthesis.sublabels import regional_offsets

#: Mean T2w intensity (brain mean 0, sd 1) of background, eCSF, GM, WM, VM, CBM, SGM, BSM in fetal T2w.
T2_PRIOR = torch.tensor([0.0, 1.4, -1.0, 0.1, 1.5, -0.9, -0.6, -0.6])
#: Standard deviation of these means from volume to volume.
T2_PRIOR_SD = torch.tensor([0.0, 0.5, 0.4, 0.4, 0.5, 0.4, 0.4, 0.4])


def brain(
    draw: RandomSource, s: IntensitySettings, subject: Subject, fractions: Tensor, labels: Tensor, residual: Tensor
) -> Tensor:
    """The brain in a random contrast. Partial volume comes with the fractions.

    Args:
        draw: of everything random.
        s: shares and ranges.
        subject: for the mean of each label.
        fractions: (8, Z, Y, X) float32, of each label in each voxel, with the sum 1.
        labels: (Z, Y, X) int64, 0–7.
        residual: (Z, Y, X) float32, departure of the subject's T2w from its tissue's mean, in the brain's standard
            deviations.

    Returns:
        (Z, Y, X) float32; background 0.
    """
    if s.real and draw.bernoulli(s.real):
        return torch.einsum("c,czyx->zyx", subject.means, fractions) + residual
    means = tissue_means(draw, subject.means, *s.contrasts)
    image = torch.einsum("c,czyx->zyx", means, fractions)
    detail = draw.uniform(0.0, 1.3) if draw.bernoulli(0.7) else draw.uniform(-1.0, 1.0)
    texture = draw.smooth_field((image.shape[0], image.shape[1], image.shape[2]), knots=8 + draw.integer(16))[0]
    within = detail * residual + draw.uniform(0, 0.25) * texture
    if draw.bernoulli(s.regions):
        within += regional_offsets(draw, labels, residual, draw.uniform(0, s.region))
    image = image + (1 - fractions[0]) * within
    if draw.bernoulli(s.gin):
        image = gin(draw, image, labels > 0)
    return -image if draw.bernoulli(s.inverted) else image


def tissue_means(draw: RandomSource, own: Tensor, own_contrast: float, prior: float) -> Tensor:
    """Mean intensity (8,) of each label, brain mean 0 and standard deviation 1.

    Args:
        draw: of everything random.
        own: (8,) float32, the subject's own means.
        own_contrast: probability of a contrast near these.
        prior: probability of one from the T2w prior; else it is any at all.
    """
    kind = draw.uniform(0, 1)
    if kind < own_contrast:
        return own * draw.uniform(0.7, 1.2) + 0.15 * draw.normals(LABEL_COUNT)
    if kind < own_contrast + prior:
        mean, sd = (values.to(draw.device) for values in (T2_PRIOR, T2_PRIOR_SD))
        return mean + sd * draw.normals(LABEL_COUNT)
    return 1.2 * draw.normals(LABEL_COUNT)


def add_surroundings(draw: RandomSource, image: Tensor, distance: Tensor, spacing: float) -> Tensor:
    """Put skull, scalp, amniotic fluid and mother around the brain.

    Args:
        draw: of everything random.
        image: (Z, Y, X) float32, of the brain.
        distance: (Z, Y, X) float32, mm outside the brain, 0 inside.
        spacing: mm.
    """
    shape = (image.shape[0], image.shape[1], image.shape[2])
    uneven = draw.smooth_field(shape, knots=5)[0]
    skull = draw.uniform(1.0, 4.0) + 0.5 * uneven
    scalp = skull + draw.uniform(1.0, 5.0) + 0.5 * uneven.flip(0)
    beyond = scalp + draw.uniform(0.0, 25.0) + 4.0 * draw.smooth_field(shape, knots=4)[0]
    fluid = draw.uniform(0.5, 2.5)
    mother = draw.uniform(-1.5, 1.0) + draw.uniform(0.2, 1.0) * draw.smooth_field(shape, knots=4 + draw.integer(12))[0]
    if draw.bernoulli(0.5):  # organs with borders, rather than clouds
        mother = (mother * 1.5).round() / 1.5 + 0.15 * draw.smooth_field(shape, knots=16)[0]
    around = torch.where(distance < beyond, torch.full_like(image, fluid), mother)
    around = torch.where(distance < scalp, torch.full_like(image, draw.uniform(-1.2, 1.2)), around)
    around = torch.where(distance < skull, torch.full_like(image, draw.uniform(-2.0, -0.5)), around)
    return torch.where(distance > 0.5 * spacing, around, image)
