"""Samples for the landmark network: a head turned a little, in any contrast, with labels as wrong as a network's.

The landmarks are carried along exactly: turns and stretches are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from feta.grid import Matrix, transformed
from feta.labels import LABEL_COUNT, TISSUES, Tissue
from feta.measurements import MEASUREMENTS
from inference.biometry.landmark_box import SIZE, averaged, brain_box, fractions, in_box, network_input
from inference.biometry.landmark_network import LATERAL
from training.imaging.random_source import RandomSource
from training.synthesis.intensity import T2_PRIOR, T2_PRIOR_SD
from training.tasks.landmark_subjects import STEP, LandmarkHead

_SHAPE = (SIZE[2], SIZE[1], SIZE[0])
_UNLIKELY = 0.12


@dataclass(frozen=True)
class SampleSettings:
    """What is drawn. Angles in degrees, lengths in voxels of the box where not said otherwise.

    Attributes:
        turn: largest angle by which a head is turned.
        stretch: largest relative change of an axis's length.
        loose_mm: standard deviation of the box's borders, which follow a predicted label map.
        own: share of samples in the image's own contrast, and
        prior: in one from the T2w prior; the rest have any contrast.
        blur: largest standard deviation of the image's blur.
        noise: largest standard deviation, in units of the brain's.
        bias: largest log gain.
        clean: share of samples whose labels are the true ones.
        predicted: share of the others with the network's own labels, where a head has them.
        warp: largest standard deviation of a displacement of the labels alone.
        smooth: largest standard deviation of a blur of the labels.
        doubt: largest standard deviation of noise on the labels' log-odds.
        lost: share of samples in which a part of one structure is taken for what is around it, and
        taken: in which it is taken for one other tissue. Half of the time it is the external CSF.
    """

    turn: float = 15.0
    stretch: float = 0.08
    loose_mm: float = 1.0
    own: float = 0.4
    prior: float = 0.5
    blur: float = 1.3
    noise: float = 0.4
    bias: float = 0.5
    clean: float = 0.15
    predicted: float = 0.5
    warp: float = 0.7
    smooth: float = 1.0
    doubt: float = 1.5
    lost: float = 0.25
    taken: float = 0.4


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
    turned[:3, :3] = (draw.rotation(settings.turn) * stretch).numpy()
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
    kind = draw.uniform(0, 1)
    if kind < s.own:
        means = torch.from_numpy(head.means) * draw.uniform(0.7, 1.2) + 0.15 * draw.normals(LABEL_COUNT)
    elif kind < s.own + s.prior:
        means = T2_PRIOR + T2_PRIOR_SD * draw.normals(LABEL_COUNT)
    else:
        means = 1.2 * draw.normals(LABEL_COUNT)
    means[0] = draw.normal()
    image = torch.einsum("c,czyx->zyx", means, labels)
    image = image + (draw.uniform(0.3, 1.3) if draw.bernoulli(0.8) else draw.uniform(-1, 1)) * signal
    image = image + draw.uniform(0, 0.25) * draw.smooth_field(_SHAPE, 8 + draw.integer(12))[0]
    image = blurred(image[None], draw.uniform(0, s.blur) if draw.bernoulli(0.6) else 0.0)[0]
    grain = blurred(draw.normals(1, *_SHAPE), draw.uniform(0, 0.8))[0]
    image = image + draw.uniform(0, s.noise) * grain / grain.std()
    gain = torch.exp(draw.uniform(0, s.bias) * draw.smooth_field(_SHAPE, 2 + draw.integer(3))[0].clamp(-2, 2))
    image = (image + draw.uniform(2.5, 4.0)).clamp_min(0) * gain  # magnitude images are positive
    return (image / 3) ** draw.uniform(0.7, 1.4)


def _labels(draw: RandomSource, s: SampleSettings, head: LandmarkHead, to_index: Matrix, truth: Tensor) -> Tensor:
    """Fractions (8, Z, Y, X) of labels as a network would give them for the true ones."""
    if draw.bernoulli(s.clean):
        return truth
    if head.predicted is not None and draw.bernoulli(s.predicted):
        return fractions(in_box(head.predicted, to_index, 0))
    labels = blurred(truth, draw.uniform(0, s.smooth) if draw.bernoulli(0.5) else 0.0)
    if draw.bernoulli(0.6):
        labels = _warped(draw, s, labels)
    odds = draw.uniform(1.0, 2.5) * torch.log(labels + 0.02)
    odds = odds + draw.uniform(0, s.doubt) * draw.smooth_field(_SHAPE, 6 + draw.integer(14), LABEL_COUNT)
    if draw.bernoulli(s.lost):
        part = draw.smooth_field(_SHAPE, 3 + draw.integer(6))[0] > draw.uniform(0.0, 1.0)
        odds[TISSUES[draw.integer(len(TISSUES))]] -= 8.0 * part
    if draw.bernoulli(s.taken):
        part = draw.smooth_field(_SHAPE, 4 + draw.integer(8))[0] > draw.uniform(0.3, 1.5)
        taken = Tissue.ECSF if draw.bernoulli(0.5) else TISSUES[draw.integer(len(TISSUES))]
        odds[TISSUES[draw.integer(len(TISSUES))]] += 12.0 * part * truth[taken]
    found = odds.softmax(0)
    # A label map is either or: what is unlikely everywhere around leaves no trace in it.
    found = torch.where(found < _UNLIKELY, 0.0, found)
    return found / found.sum(0, keepdim=True)


def _warped(draw: RandomSource, s: SampleSettings, labels: Tensor) -> Tensor:
    """Labels (8, Z, Y, X) displaced a little, each place by another amount."""
    shift = draw.uniform(0, s.warp) * draw.smooth_field(_SHAPE, 6 + draw.integer(10), 3)
    shift = shift * (2 / (torch.tensor(SIZE) - 1)).view(3, 1, 1, 1)
    place = F.affine_grid(torch.eye(3, 4)[None], [1, 1, *_SHAPE], align_corners=True) + shift.permute(1, 2, 3, 0)
    return F.grid_sample(labels[None], place, padding_mode="border", align_corners=True)[0]


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (C, Z, Y, X) with a standard deviation in voxels; zeros outside.

    Not `training.imaging.filters.blur`: the same filter for all channels at once, summed in another order.
    """
    if sigma < 0.2:
        return image
    reach = max(1, round(2.5 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    out = image[:, None]
    for axis in range(3):
        shape, padding = [1] * 5, [0] * 3
        shape[2 + axis], padding[axis] = len(at), reach
        out = F.conv3d(out, (kernel / kernel.sum()).view(shape), padding=padding)
    return out[:, 0]
