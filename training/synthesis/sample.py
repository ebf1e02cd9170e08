"""Domain randomisation: T2w volumes made from label maps.

After SynthSeg (Billot et al., MedIA 2023) and FetalSynthSeg (Zalevskyi et al., 2024): intensities are drawn for each
tissue, within and beyond what T2w imaging gives, so that a network learns shapes. The steps, in their order:

1. Spatial augmentation: pose, scale and elastic deformation (``spatial``); now and then thin external CSF.
2. Contrast of the tissues, with partial volume at their borders (``intensity``). The atlas's own fine structure within
   a tissue is added with a random weight, positive or negative.
3. A head, amniotic fluid and a mother around the brain (``intensity.add_surroundings``).
4. Scan, mask and artefacts (``scan``, ``masking``, ``artefacts``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from feta.labels import LABEL_COUNT, Tissue
from inference.geometry.frames import sample
from training.data.subject import Subject, distance_matrix
from training.imaging.affine import apply_affine
from training.imaging.filters import blur
from training.imaging.random_source import RandomSource
from training.synthesis.intensity import add_surroundings, brain
from training.synthesis.scan import simulate_scan
from training.synthesis.settings import SpatialSettings, SynthesisSettings
from training.synthesis.spatial import deformed_frame


@dataclass(frozen=True)
class Sample:
    """One synthetic volume.

    Attributes:
        image: (1, Z, Y, X) float32, not normalised.
        labels: (Z, Y, X) int64, 0–7.
        atlas: (Z, Y, X, 3) float32, where each voxel lies in the subject's canonical frame, mm (x, y, z).
        rotation: angle in degrees by which the brain is rotated from upright.
    """

    image: Tensor
    labels: Tensor
    atlas: Tensor
    rotation: float


def generate_sample(subject: Subject, settings: SynthesisSettings, seed: int) -> Sample:
    """Make one volume on the subject's device; a pure function of its arguments, the same on all but for rounding."""
    device = subject.tissues.device
    with device:  # whatever is made lands there
        return _generated(RandomSource(seed, device), subject, settings)


def _generated(draw: RandomSource, subject: Subject, settings: SynthesisSettings) -> Sample:
    spacing = settings.spacing
    atlas, rotation = deformed_frame(draw, settings)
    tissues = sample(subject.tissues.float(), apply_affine(subject.to_index, atlas))
    labels, fractions = to_labels(tissues[: LABEL_COUNT - 1])
    distance = sample(subject.distance, apply_affine(distance_matrix(), atlas), padding="border")[0]
    if draw.bernoulli(settings.spatial.thin_csf):
        labels, fractions, distance = _thin_csf(draw, settings.spatial, labels, fractions, distance, spacing)
    image = brain(draw, settings.intensity, subject, fractions, labels, tissues[LABEL_COUNT - 1])
    image = add_surroundings(draw, image, distance, spacing)
    image = simulate_scan(draw, settings, image, distance, labels)
    return Sample(image[None], labels, atlas, rotation)


def to_labels(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and partial volume from interpolated indicator maps.

    Args:
        maps: (7, Z, Y, X) float32, of the tissues.

    Returns:
        labels (Z, Y, X) int64, and fractions (8, Z, Y, X) of each voxel, background first, with the sum 1.
    """
    rest = (1 - maps.sum(0, keepdim=True)).clamp_min(0)
    fractions = torch.cat((rest, maps))
    # Tensor.argmax over the first axis takes five times as long as this running maximum.
    labels, best = torch.zeros(maps.shape[1:], dtype=torch.uint8), rest[0].clone()
    for label, values in enumerate(maps, start=1):
        labels.masked_fill_(values > best, label)
        torch.maximum(best, values, out=best)
    return labels.long(), fractions


def _thin_csf(
    draw: RandomSource, s: SpatialSettings, labels: Tensor, fractions: Tensor, distance: Tensor, spacing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, fractions and distance of a head whose skull lies close to the brain: external CSF ends early.

    The brain proper is blurred; how far a voxel lies from its surface is read from the blurred value.
    """
    width = draw.uniform(2.0, 3.0)
    proper = blur((labels > Tissue.ECSF).float(), [width / spacing] * 3).clamp(1e-6, 1 - 1e-6)
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    room = draw.uniform(*s.thin_csf_mm) + draw.uniform(0, 1) * draw.smooth_field(shape, knots=4)[0]
    beyond = -width * torch.special.ndtri(proper) - room
    gone = (beyond > 0) & (labels == Tissue.ECSF)
    fractions = fractions.masked_fill(gone, 0)
    fractions[0].masked_fill_(gone, 1)
    return labels.masked_fill(gone, 0), fractions, torch.where(labels > Tissue.ECSF, distance, distance.maximum(beyond))
