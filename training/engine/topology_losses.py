"""What a segmentation loss can say about topology: soft skeletons, and the Euler characteristic of soft maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cl_dice_loss(probability: Tensor, truth: Tensor, erosions: int, smooth: float = 1.0) -> Tensor:
    """1 − clDice (Shit et al., CVPR 2021): the skeleton of each map must lie within the other map.

    The mean over volumes and channels, so that equal shares of a batch give equal losses.

    Args:
        probability: (N, C, Z, Y, X) within 0–1.
        truth: the same shape, 0 or 1.
        erosions: half the thickness in voxels of what still has a skeleton.
        smooth: added to numerators and denominators, so that an absent structure costs nothing.
    """
    with torch.no_grad():
        bones = soft_skeleton(truth, erosions)
    found = soft_skeleton(probability, erosions)
    axes = (2, 3, 4)
    precision = ((found * truth).sum(axes) + smooth) / (found.sum(axes) + smooth)
    recall = ((bones * probability).sum(axes) + smooth) / (bones.sum(axes) + smooth)
    return 1 - (2 * precision * recall / (precision + recall)).mean()


def soft_skeleton(x: Tensor, erosions: int) -> Tensor:
    """What opening takes away from a map and from each of its erosions, (N, C, Z, Y, X)."""
    skeleton = F.relu(x - _opened(x))
    for _ in range(erosions):
        x = _eroded(x)
        more = F.relu(x - _opened(x))
        skeleton = skeleton + F.relu(more - skeleton * more)
    return skeleton


def _pooled(x: Tensor, axis: int) -> Tensor:
    kernel, padding = [1, 1, 1], [0, 0, 0]
    kernel[axis], padding[axis] = 3, 1
    return F.max_pool3d(x, kernel, stride=1, padding=padding)


def _eroded(x: Tensor) -> Tensor:
    """The least of a voxel and its six neighbours."""
    most = torch.maximum(_pooled(-x, 0), _pooled(-x, 1))
    return -torch.maximum(most, _pooled(-x, 2))


def _opened(x: Tensor) -> Tensor:
    """Eroded by six neighbours, dilated by twenty-six."""
    return _pooled(_pooled(_pooled(_eroded(x), 0), 1), 2)


def euler_loss(probability: Tensor, truth: Tensor, window: int) -> Tensor:
    """How far the Euler characteristic is off, on average over overlapping windows, volumes and channels.

    It is counted in windows, as over a whole volume a hole and a speck too many would balance each other.

    Args:
        probability: (N, C, Z, Y, X) within 0–1.
        truth: the same shape, 0 or 1.
        window: side in voxels, at most the volume's; windows overlap by half.
    """
    window = min(window, *probability.shape[2:])
    off = euler_density(probability) - euler_density(truth)
    return F.avg_pool3d(off, window, stride=max(1, window // 2)).abs().mean() * window**3


def euler_density(x: Tensor) -> Tensor:
    """What each voxel adds to the Euler characteristic of a soft map, (N, C, Z, Y, X) within 0–1.

    A map's characteristic is the mean over thresholds in 0–1 of that of {x ≥ threshold}; for a binary map it is
    the ordinary one with 6-connected foreground: voxels − pairs + 2×2 squares − 2×2×2 cubes, where a
    cell is as high as its lowest voxel. Each cell counts at its first voxel.
    """
    # Along each axis in turn every cell there is gets a partner of one dimension more, and of the other sign.
    cells = [(1, x)]
    for axis in (2, 3, 4):
        cells += [(-sign, _pairs(cell, axis)) for sign, cell in cells]
    total = torch.zeros_like(x)
    for sign, cell in cells:
        total = total + sign * cell
    return total


def _pairs(x: Tensor, axis: int) -> Tensor:
    """The lower of a voxel and the next one along an axis; 0 at the end."""
    count = x.shape[axis] - 1
    lower = torch.minimum(x.narrow(axis, 0, count), x.narrow(axis, 1, count))
    padding = [0] * 6
    padding[2 * (4 - axis) + 1] = 1
    return F.pad(lower, padding)
