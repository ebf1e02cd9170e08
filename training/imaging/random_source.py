"""Random numbers from one seeded generator: a sample is a pure function of its seed, on every device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class RandomSource:
    """A seeded source of random numbers.

    Numbers are drawn on the CPU, so that a seed gives the same ones on every device.

    Args:
        seed: the same seed gives the same draws.
        device: of the tensors that are drawn, but for rotations.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.generator = torch.Generator("cpu").manual_seed(seed)
        self.device = torch.device(device)

    def bernoulli(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform(0, 1) < probability

    def uniform(self, low: float, high: float) -> float:
        """One number, uniform in [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator, device="cpu"))

    def normal(self, sd: float = 1.0, mean: float = 0.0) -> float:
        """One number, normal."""
        return mean + sd * float(torch.randn((), generator=self.generator, device="cpu"))

    def integer(self, count: int) -> int:
        """One whole number in 0..count-1."""
        return int(torch.randint(count, (), generator=self.generator, device="cpu"))

    def normals(self, *shape: int) -> Tensor:
        """A tensor of standard normal numbers."""
        return self._normals(*shape).to(self.device)

    def uniforms(self, *shape: int) -> Tensor:
        """A tensor of numbers uniform in [0, 1)."""
        return torch.rand(*shape, generator=self.generator, device="cpu").to(self.device)

    def order(self, count: int) -> list[int]:
        """0..count-1 in any order."""
        return torch.randperm(count, generator=self.generator, device="cpu").tolist()

    def _normals(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device="cpu")

    def smooth_field(self, shape: tuple[int, int, int], knots: int, channels: int = 1) -> Tensor:
        """Smooth random fields (channels, *shape) of about unit variance, ``knots`` features along each axis."""
        coarse = self.normals(1, channels, knots, knots, knots)
        field = F.interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0]
        return field / field.std().clamp_min(1e-6)

    def block_field(self, shape: tuple[int, int, int], knots: int) -> Tensor:
        """A random field (*shape) of unit variance that is constant in each of ``knots`` blocks along each axis."""
        return F.interpolate(self.normals(1, 1, knots, knots, knots), size=shape, mode="nearest")[0, 0]

    def rotation(self, degrees: float | None) -> Tensor:
        """Random rotation (3, 3) on the CPU: about a random axis by up to ``degrees``, or uniform over all if None."""
        if degrees is None:
            return _quaternion_matrix(self._normals(4))
        angle = math.radians(self.uniform(0, degrees))
        axis = F.normalize(self._normals(3), dim=0)
        real = torch.tensor([math.cos(angle / 2)], device="cpu")
        return _quaternion_matrix(torch.cat((real, axis * math.sin(angle / 2))))


def _quaternion_matrix(quaternion: Tensor) -> Tensor:
    w, x, y, z = F.normalize(quaternion, dim=0).tolist()
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ],
        device="cpu",
    )
