"""Draws from one seeded generator, so that a sample is a pure function of its seed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class Draw:
    """A seeded source of random numbers.

    Args:
        seed: the same seed gives the same draws.
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform(0, 1) < probability

    def uniform(self, low: float, high: float) -> float:
        """One number, uniform in [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def normal(self, sd: float = 1.0, mean: float = 0.0) -> float:
        """One number, normal."""
        return mean + sd * float(torch.randn((), generator=self.generator))

    def integer(self, count: int) -> int:
        """One whole number in 0..count-1."""
        return int(torch.randint(count, (), generator=self.generator))

    def normals(self, *shape: int) -> Tensor:
        """A tensor of standard normal numbers."""
        return torch.randn(*shape, generator=self.generator)

    def smooth(self, shape: tuple[int, int, int], knots: int, channels: int = 1) -> Tensor:
        """Smooth random fields (channels, *shape) of about unit variance, ``knots`` features along each axis."""
        coarse = self.normals(1, channels, knots, knots, knots)
        field = F.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0]
        return field / field.std().clamp_min(1e-6)

    def blocks(self, shape: tuple[int, int, int], knots: int) -> Tensor:
        """A random field (*shape) of unit variance that is constant in each of ``knots`` blocks along each axis."""
        return F.interpolate(self.normals(1, 1, knots, knots, knots), size=shape, mode="nearest")[0, 0]

    def rotation(self, degrees: float | None) -> Tensor:
        """Random rotation (3, 3): about a random axis by up to ``degrees``, or uniform over all where None."""
        if degrees is None:
            return _quaternion_matrix(self.normals(4))
        angle = math.radians(self.uniform(0, degrees))
        axis = F.normalize(self.normals(3), dim=0)
        return _quaternion_matrix(torch.cat((torch.tensor([math.cos(angle / 2)]), axis * math.sin(angle / 2))))


def _quaternion_matrix(quaternion: Tensor) -> Tensor:
    w, x, y, z = F.normalize(quaternion, dim=0).tolist()
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
