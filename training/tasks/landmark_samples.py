"""Augmented samples for the landmark network: heads rotated a little, in any contrast, with errors in their labels.

The landmarks are transformed exactly: rotation and stretch are linear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.grid import Matrix, transformed
from feta.labels import LABEL_COUNT, TISSUES, Tissue
from feta.measurements import MEASUREMENTS
from inference.biometry.landmark_box import SIZE, averaged, brain_box, fractions, in_box, network_input
from inference.biometry.landmark_network import LATERAL
from training.data import renamed_settings
from training.imaging.filters import blur_maps
from training.imaging.random_source import RandomSource
from training.synthesis.intensity import tissue_means
from training.synthesis.scan import magnitude_image
from training.tasks.landmark_subjects import STEP, LandmarkHead

_SHAPE = (SIZE[2], SIZE[1], SIZE[0])
#: Fractions below this become 0: a label map is either or, and what is unlikely all around leaves no trace in it.
_UNLIKELY = 0.12


@dataclass(frozen=True)
class SampleSettings:
    """What is drawn. Angles in degrees, lengths in voxels of the box where not said otherwise.

    Attributes:
        rotation: largest angle by which a head is rotated.
        stretch: largest relative change of an axis's length.
        loose_mm: standard deviation of the box's borders, which follow a predicted label map.
        own_contrast: share of the samples in the image's own contrast.
        prior: share of the samples in one from the T2w prior; the rest have any contrast.
        blur: largest standard deviation of the image's blur.
        noise: largest standard deviation, in units of the brain's.
        bias: largest log gain.
        clean: share of samples whose labels are the true ones.
        predicted: share of the others with the network's own labels, where a head has them.
        warp: largest standard deviation of a displacement of the labels alone.
        smooth: largest standard deviation of a blur of the labels.
        doubt: largest standard deviation of noise on the labels' log-odds.
        label_dropout: share of the samples in which one tissue is missed in a part of the volume: it gets the label of
            what is likeliest there otherwise.
        label_swap: share of the samples in which a part of one tissue is labelled as another one; half of the time it
            is a part of the external CSF.
    """

    RENAMED: ClassVar[Mapping[str, str]] = renamed_settings.LANDMARK_SAMPLES

    rotation: float = 15.0
    stretch: float = 0.08
    loose_mm: float = 1.0
    own_contrast: float = 0.4
    prior: float = 0.5
    blur: float = 1.3
    noise: float = 0.4
    bias: float = 0.5
    clean: float = 0.15
    predicted: float = 0.5
    warp: float = 0.7
    smooth: float = 1.0
    doubt: float = 1.5
    label_dropout: float = 0.25
    label_swap: float = 0.4


@dataclass(frozen=True)
class LandmarkSample:
    """What goes in and what should come out.

    Attributes:
        channels: (8, Z, Y, X) float32, as ``network_input`` makes them.
        ends: (10, 3) float32, index (x, y, z); NaN where unknown.
        voxel: mm.
    """

    channels: Tensor
    ends: Tensor
    voxel: float


def draw_sample(head: LandmarkHead, settings: SampleSettings, seed: int) -> LandmarkSample:
    """Make one sample; a pure function of its arguments."""
    draw = RandomSource(seed)
    turned = np.eye(4)
    stretch = 1 + settings.stretch * (2 * draw.uniforms(3) - 1)
    turned[:3, :3] = (draw.rotation(settings.rotation) * stretch).numpy()
    points = transformed(turned, head.points)
    loose = settings.loose_mm * draw.normals(2, 3).numpy()
    box = brain_box(points.min(axis=0) + loose[0], points.max(axis=0) + loose[1])
    to_index = head.to_index @ np.linalg.inv(turned) @ box
    truth = fractions(in_box(head.labels, to_index, 0))
    image = _image(draw, settings, head, truth, STEP * averaged(in_box(head.signal, to_index, 1)))
    channels = network_input(image, _labels(draw, settings, head, to_index, truth))
    ends = transformed(np.linalg.inv(box) @ turned, head.ends)
    voxel = float(box[0, 0])
    sample = LandmarkSample(channels, torch.from_numpy(ends).float(), voxel)
    return _mirrored(sample) if draw.bernoulli(0.5) else sample


def _mirrored(sample: LandmarkSample) -> LandmarkSample:
    ends = sample.ends.clone()
    ends[:, 0] = SIZE[0] - 1 - ends[:, 0]
    for measurement in LATERAL:
        k = 2 * MEASUREMENTS.index(measurement)
        ends[[k, k + 1]] = ends[[k + 1, k]]
    return LandmarkSample(sample.channels.flip(-1), ends, sample.voxel)


def _image(draw: RandomSource, s: SampleSettings, head: LandmarkHead, labels: Tensor, signal: Tensor) -> Tensor:
    """Intensities (Z, Y, X) of the true labels' fractions (8, Z, Y, X) and the head's own fine structure."""
    means = tissue_means(draw, torch.from_numpy(head.means), s.own_contrast, s.prior)
    means[0] = draw.normal()
    image = torch.einsum("c,czyx->zyx", means, labels)
    image = image + (draw.uniform(0.3, 1.3) if draw.bernoulli(0.8) else draw.uniform(-1, 1)) * signal
    image = image + draw.uniform(0, 0.25) * draw.smooth_field(_SHAPE, 8 + draw.integer(12))[0]
    image = blur_maps(image[None], draw.uniform(0, s.blur) if draw.bernoulli(0.6) else 0.0)[0]
    grain = blur_maps(draw.normals(1, *_SHAPE), draw.uniform(0, 0.8))[0]
    image = image + draw.uniform(0, s.noise) * grain / grain.std()
    return magnitude_image(draw, image, s.bias)


def _labels(draw: RandomSource, s: SampleSettings, head: LandmarkHead, to_index: Matrix, truth: Tensor) -> Tensor:
    """Fractions (8, Z, Y, X) of labels as a network would give them for the true ones."""
    if draw.bernoulli(s.clean):
        return truth
    if head.predicted is not None and draw.bernoulli(s.predicted):
        return fractions(in_box(head.predicted, to_index, 0))
    labels = blur_maps(truth, draw.uniform(0, s.smooth) if draw.bernoulli(0.5) else 0.0)
    if draw.bernoulli(0.6):
        labels = _warped(draw, s, labels)
    odds = draw.uniform(1.0, 2.5) * torch.log(labels + 0.02)
    odds = odds + draw.uniform(0, s.doubt) * draw.smooth_field(_SHAPE, 6 + draw.integer(14), LABEL_COUNT)
    if draw.bernoulli(s.label_dropout):
        part = draw.smooth_field(_SHAPE, 3 + draw.integer(6))[0] > draw.uniform(0.0, 1.0)
        odds[TISSUES[draw.integer(len(TISSUES))]] -= 8.0 * part
    if draw.bernoulli(s.label_swap):
        part = draw.smooth_field(_SHAPE, 4 + draw.integer(8))[0] > draw.uniform(0.3, 1.5)
        swapped = Tissue.ECSF if draw.bernoulli(0.5) else TISSUES[draw.integer(len(TISSUES))]
        odds[TISSUES[draw.integer(len(TISSUES))]] += 12.0 * part * truth[swapped]
    found = odds.softmax(0)
    found = torch.where(found < _UNLIKELY, 0.0, found)
    return found / found.sum(0, keepdim=True)


def _warped(draw: RandomSource, s: SampleSettings, labels: Tensor) -> Tensor:
    """Labels (8, Z, Y, X) displaced a little, each place by another amount."""
    shift = draw.uniform(0, s.warp) * draw.smooth_field(_SHAPE, 6 + draw.integer(10), 3)
    shift = shift * (2 / (torch.tensor(SIZE) - 1)).view(3, 1, 1, 1)
    place = F.affine_grid(torch.eye(3, 4)[None], [1, 1, *_SHAPE], align_corners=True) + shift.permute(1, 2, 3, 0)
    return F.grid_sample(labels[None], place, padding_mode="border", align_corners=True)[0]
