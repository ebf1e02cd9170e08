"""Artefacts between scanner and reconstructed volume: motion, ghosts, misplaced or dark slices, ringing, noise.

Each function takes an image (Z, Y, X) float32 that is not negative and gives one alike; with strength 0 it gives
the image itself. Shared with no test of robustness: `training/assessment/robustness.py` has code of its own.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch import Tensor

from inference.geometry.frames import resample
from inference.geometry.frames import sample as interpolated
from training.imaging.random_source import RandomSource
from training.synthesis.settings import ArtefactSettings


def apply_artefacts(draw: RandomSource, s: ArtefactSettings, image: Tensor, spacing: float) -> Tensor:
    """Apply what is drawn, in the order in which it happens.

    Args:
        draw: which, and how strong.
        s: shares and largest strengths.
        image: (Z, Y, X) float32, not negative.
        spacing: mm.
    """
    if draw.bernoulli(s.stacks):
        image = slice_motion(draw, image, spacing, draw.uniform(0, s.slice_shift), draw.uniform(0, s.slice_rotation))
    if draw.bernoulli(s.motion):
        image = motion(draw, image, spacing, draw.uniform(0, s.shift), draw.uniform(0, s.rotation))
    if draw.bernoulli(s.ghosts):
        image = ghosts(draw, image, draw.uniform(0, s.ghost))
    if draw.bernoulli(s.bands):
        image = bands(draw, image, spacing, draw.uniform(0.1, 0.7))
    if draw.bernoulli(s.ringing):
        image = ringing(draw, image, draw.uniform(s.kept, 0.9))
    if draw.bernoulli(s.smoothing):
        image = smoothed(image, draw.uniform(0.1, 0.6), 1 + draw.integer(2))
    if draw.bernoulli(s.rician):
        image = rician(draw, image, draw.uniform(0, s.noise))
    return image


def motion(draw: RandomSource, image: Tensor, spacing: float, shift: float, rotation: float) -> Tensor:
    """The head jumps one to four times while lines of k-space are acquired, one after another or in two passes.

    Lines are acquired along a random axis, at times drawn for the jumps; the pose at the centre of k-space is
    the reference. Poses are normal with a standard deviation of ``shift``/√3 mm and ``rotation``/√3 degrees an axis.
    Now and then one of the jumps comes just there, where most of the signal is: nothing blurs an image as much.
    """
    axis = draw.integer(3)
    count = image.shape[axis]
    time = torch.arange(count)
    if draw.bernoulli(0.3):
        time = torch.cat((torch.arange(0, count, 2), torch.arange(1, count, 2))).argsort()
    jumps = draw.uniforms(1 + draw.integer(4)) * count
    if draw.bernoulli(0.4):
        jumps[0] = count * draw.uniform(0.46, 0.54)
    jumps = jumps.sort().values
    pose = torch.bucketize(time.float(), jumps)
    pose = torch.fft.ifftshift(pose)
    spectrum = torch.fft.fft(image, dim=axis)
    for number in range(len(jumps) + 1):
        shifts, rotations = (draw.normals(3).clamp(-1.7, 1.7) / 3**0.5 for _ in range(2))
        lines = (pose == number).nonzero()[:, 0]
        if number == int(pose[0]) or not len(lines):
            continue
        displaced = torch.fft.fft(_moved(image, shifts * (shift / spacing), rotations * rotation), dim=axis)
        spectrum.index_copy_(axis, lines, displaced.index_select(axis, lines))
    return torch.fft.ifft(spectrum, dim=axis).abs()


def _moved(image: Tensor, shift: Tensor, degrees: Tensor) -> Tensor:
    """The image displaced by voxels and turned about its middle by degrees, each (3,) along x, y, z."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(degrees.cpu().numpy(), degrees=True).as_matrix()
    middle = (np.array(image.shape[::-1]) - 1) / 2
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle + shift.cpu().numpy()
    return resample(image[None], matrix, (image.shape[2], image.shape[1], image.shape[0]))[0]


def ghosts(draw: RandomSource, image: Tensor, strength: float) -> Tensor:
    """Faint copies displaced by a half, a third or a quarter of the field of view, as periodic motion leaves them."""
    axis, period = draw.integer(3), 2 + draw.integer(3)
    real, imaginary = image, torch.zeros_like(image)
    for copy in range(1, period):
        displaced = image.roll(copy * image.shape[axis] // period, axis)
        gains = draw.normals(2) * (strength / (2 * (period - 1)) ** 0.5)
        real, imaginary = real + gains[0] * displaced, imaginary + gains[1] * displaced
    return torch.hypot(real, imaginary)


def slice_motion(draw: RandomSource, image: Tensor, spacing: float, shift: float, rotation: float) -> Tensor:
    """Stacks of one to three orientations whose slices, 2–4 mm thick, lie astray, averaged.

    The slices of a stack come in two to four passes; each pass has a pose, from which each slice departs by half
    as much; between slices the pose changes gradually, as reconstruction leaves it. Strengths are standard
    deviations: mm along each axis, degrees in the slice (half of that out of it).
    """
    count = 1 + draw.integer(3)
    axes = draw.order(3)[:count]
    thick = max(1.0, draw.uniform(2.0, 4.0) / spacing)
    stacks = (_stack(draw, image, axis, shift / spacing, rotation, thick) for axis in axes)
    return sum(stacks, torch.zeros_like(image)) / count


def _stack(draw: RandomSource, image: Tensor, axis: int, shift: float, rotation: float, thick: float) -> Tensor:
    volume = image.movedim(axis, 0)
    count, height, width = volume.shape
    passes, slices = 2 + draw.integer(3), int(count / thick) + 2
    poses = draw.normals(passes, 6)[torch.arange(slices) % passes] + 0.5 * draw.normals(slices, 6)
    pose = F.interpolate(poses.T[None], size=count, mode="linear", align_corners=True)[0].T
    pose = pose - pose.mean(0)  # the label map still fits
    moves, angles = pose[:, :3] * shift, torch.deg2rad(pose[:, 3:] * rotation)
    angles[:, 1:] /= 2  # a slice that tilts soon leaves its neighbours behind
    y = (torch.arange(height) - (height - 1) / 2)[None, :, None]
    x = (torch.arange(width) - (width - 1) / 2)[None, None, :]
    cos, sin = angles[:, 0, None, None].cos(), angles[:, 0, None, None].sin()
    ahead = torch.arange(count)[:, None, None] + moves[:, 0, None, None]
    shape = (count, height, width)
    index = torch.stack(
        (
            (cos * x - sin * y + ((width - 1) / 2 + moves[:, 2, None, None])).expand(shape),
            (sin * x + cos * y + ((height - 1) / 2 + moves[:, 1, None, None])).expand(shape),
            ahead + angles[:, 1, None, None] * x + angles[:, 2, None, None] * y,
        ),
        dim=-1,
    )
    return interpolated(volume[None], index, padding="border")[0].movedim(0, axis)


def bands(draw: RandomSource, image: Tensor, spacing: float, depth: float) -> Tensor:
    """Slices 1.5–4 mm thick along a random axis lose up to ``depth`` of their signal, in a part of the volume.

    Either every other slice does, as when neighbours saturate each other, or a few at random.
    """
    axis = draw.integer(3)
    count = image.shape[axis]
    thick = max(1.0, draw.uniform(1.5, 4.0) / spacing)
    slices = int(count / thick) + 1
    if draw.bernoulli(0.4):
        loss = (torch.arange(slices) % 2) * draw.uniform(0.2, 0.6)
    else:
        hit = draw.uniforms(slices) < draw.uniform(0.05, 0.2)
        loss = hit * draw.uniforms(slices)
    profile = loss[(torch.arange(count) / thick).long()]
    place = draw.smooth_field((image.shape[0], image.shape[1], image.shape[2]), knots=3 + draw.integer(3))[0]
    shape = [1, 1, 1]
    shape[axis] = count
    return image * (1 - depth * profile.view(shape) * (0.5 + place).clamp(0, 1))


def ringing(draw: RandomSource, image: Tensor, kept: float) -> Tensor:
    """Oscillations beside edges: high frequencies beyond a share of k-space are cut off along one to three axes."""
    for axis in draw.order(3)[: 1 + draw.integer(3)]:
        spectrum = torch.fft.rfft(image, dim=axis)
        lines = spectrum.shape[axis]
        first = max(2, round(kept * lines))
        if first < lines:
            spectrum.narrow(axis, first, lines - first).zero_()
        image = torch.fft.irfft(spectrum, n=image.shape[axis], dim=axis)
    return image.abs()


def smoothed(image: Tensor, strength: float, radius: int) -> Tensor:
    """A guided filter (He et al., 2013): what varies less than ``strength`` × the image's sd is flattened."""

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool3d(values[None], 2 * radius + 1, 1, radius, count_include_pad=False)[0]

    if strength == 0:
        return image
    average = mean(image)
    variance = (mean(image**2) - average**2).clamp_min(0)
    gain = variance / (variance + (strength * image.std()) ** 2).clamp_min(1e-12)
    return (mean(gain) * image + mean((1 - gain) * average)).clamp_min(0)


def rician(draw: RandomSource, image: Tensor, level: float) -> Tensor:
    """White noise in both channels, of ``level`` × the mean of what isn't 0; the magnitude is kept."""
    bright = image[image > 0]
    sigma = level * float(bright.mean()) if len(bright) else 0.0
    return torch.hypot(image + sigma * draw.normals(*image.shape), sigma * draw.normals(*image.shape))
