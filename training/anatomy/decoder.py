"""The decoder of the learned anatomy: age, pathology and a latent code → soft labels and T2w signal.

In the way of Dannecker et al. (CINeMA, 2025), with a grid instead of a point-wise network because a grid costs a CPU
far less: learned spatial bases, blended by weights that depend on age, pathology and the latent code, are refined by
convolutions. It works in a frame in which every cerebrum fills the same box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.anatomy.normalised_frame import GRID
from training.anatomy.template import CHANNELS

#: Soft labels, then the signal.
OUTPUTS = CHANNELS + 1
#: Weeks at the middle of the ages, and half their range.
_MIDDLE_AGE, _HALF_AGES = 29.5, 8.5


@dataclass(frozen=True)
class AnatomySettings:
    """What fixes the shape of every weight.

    Attributes:
        latent: numbers in the code of an individual.
        code: width of what age, pathology and latent code become.
        widths: channels of the levels, the coarsest (7×7×6) first; each level doubles the size.
        bases: learned spatial bases of the first levels.
        basis_widths: channels of each of them.
    """

    latent: int = 8
    code: int = 64
    widths: tuple[int, ...] = (96, 96, 64, 24, 12)
    bases: tuple[int, ...] = (16, 8, 6)
    basis_widths: tuple[int, ...] = (96, 32, 8)

    def __post_init__(self) -> None:
        if len(self.bases) != len(self.basis_widths) or len(self.bases) > len(self.widths):
            raise ValueError("each basis needs its width, and there are at most as many as levels")


def coarsest(levels: int) -> tuple[int, int, int]:
    """Size (z, y, x) of the coarsest level."""
    step = 2 ** (levels - 1)
    return (GRID[0] // step, GRID[1] // step, GRID[2] // step)


class _Level(nn.Module):
    """Two convolutions, each scaled and shifted by the code; spatial bases are added between them."""

    def __init__(self, settings: AnatomySettings, level: int) -> None:
        super().__init__()
        width = settings.widths[level]
        self.first = nn.Conv3d(settings.widths[max(level - 1, 0)], width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        self.modulate = nn.Linear(settings.code, 4 * width)
        self.bases: nn.Parameter | None = None
        if level < len(settings.bases):
            size = [n * 2**level for n in coarsest(len(settings.widths))]
            count, channels = settings.bases[level], settings.basis_widths[level]
            self.bases = nn.Parameter(0.3 * torch.randn(count, channels, *size))
            self.blend = nn.Linear(settings.code, count)
            self.widen = nn.Conv3d(channels, width, 1)

    def forward(self, x: Tensor | None, code: Tensor) -> Tensor:
        a, b, c, d = self.modulate(code)[:, :, None, None, None].chunk(4, 1)
        parts: list[Tensor] = []
        if x is not None:
            parts.append(self.first(F.interpolate(x, scale_factor=2, mode="trilinear")))
        if self.bases is not None:
            parts.append(self.widen(torch.einsum("nk,kczyx->nczyx", self.blend(code), self.bases)))
        once = F.silu(sum(parts[1:], parts[0]) * (1 + a) + b)
        twice: Tensor = F.silu(self.second(once) * (1 + c) + d) + once
        return twice


class AnatomyNetwork(nn.Module):
    """Age, pathology and latent code → soft labels and signal in the normalised frame."""

    def __init__(self, settings: AnatomySettings) -> None:
        super().__init__()
        self.latent = settings.latent
        self.code = nn.Sequential(
            nn.Linear(6 + settings.latent, settings.code), nn.SiLU(), nn.Linear(settings.code, settings.code), nn.SiLU()
        )
        self.levels = nn.ModuleList(_Level(settings, level) for level in range(len(settings.widths)))
        self.head = nn.Conv3d(settings.widths[-1], OUTPUTS, 1)

    def forward(self, age: Tensor, pathology: Tensor, latent: Tensor) -> Tensor:
        """Decode.

        Args:
            age: (N,) weeks.
            pathology: (N,) 0 neurotypical to 1 spina bifida.
            latent: (N, latent), 0 for the average.

        Returns:
            (N, 10, Z, Y, X): logits of the labels 0–7 and the corpus callosum, then the signal.
        """
        a = (age - _MIDDLE_AGE) / _HALF_AGES
        given = torch.stack([a, a**2, torch.sin(3 * a), torch.cos(3 * a), pathology, pathology * a], 1)
        code = self.code(torch.cat((given, latent), 1))
        x: Tensor | None = None
        for level in self.levels:
            x = level(x, code)
        scores: Tensor = self.head(x)
        return scores
