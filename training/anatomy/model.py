"""Fetal anatomy learned from atlases: age, pathology and a latent code → a brain of soft labels and T2w signal.

A decoder in the way of Dannecker et al. (CINeMA, 2025), with a grid instead of a point-wise network because
a grid costs a CPU far less: learned spatial bases, blended by weights that depend on age, pathology and the
latent code, are refined by convolutions. It works in a frame in which every cerebrum fills the same box.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor, nn

from feta.errors import FetaError
from inference.networks.weights import described
from training.anatomy.normalised_frame import GRID, SizeModel, norm_scale, to_canonical
from training.anatomy.template import CHANNELS, Template

REMEDY = "restore the weights folder from the repository"
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


@dataclass(frozen=True)
class Anatomy:
    """The trained model, ready to draw brains of any age from 20 to 38 weeks.

    Attributes:
        network: the decoder.
        sizes: of the cerebrum, by age.
        latents: codes of the brains that it learned from, by their names.
        known: names of these, and of their source subjects; nobody who holds one of them out may learn from its brains.
    """

    network: AnatomyNetwork
    sizes: SizeModel
    latents: Mapping[str, npt.NDArray[np.float32]]
    known: frozenset[str]

    @classmethod
    def load(cls, path: Path) -> Anatomy:
        """Read weights written by ``feta-train fit anatomy``.

        Args:
            path: of the file; where ``model.yaml`` beside it names the file, its sha256 must be the one there.

        Raises:
            FetaError: the file is missing, damaged, or is not an anatomy.
        """
        try:
            data = path.read_bytes()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            about = json.loads(header["anatomy"])
        except OSError as error:
            raise FetaError(path, f"cannot be read ({error.strerror})", REMEDY) from error
        except (KeyError, ValueError) as error:
            raise FetaError(path, "is not a learned anatomy", REMEDY) from error
        expected = described(path.parent).get(path.stem, {}).get("sha256")
        if expected not in (None, hashlib.sha256(data).hexdigest()):
            raise FetaError(path, "is damaged or another version: its sha256 differs from model.yaml's", REMEDY)
        shape: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about["network"].items()}
        network = AnatomyNetwork(AnatomySettings(**shape))
        network.load_state_dict({name: tensor.float() for name, tensor in load(data).items()})
        latents = {name: np.array(code, np.float32) for name, code in about["latents"].items()}
        known = frozenset({*latents, *about.get("known", ())})
        return cls(network.eval(), SizeModel(**about["sizes"]), latents, known)

    def packed(self, name: str, settings: AnatomySettings) -> tuple[bytes, dict[str, Any]]:
        """Float16 weights as the bytes of a file, and its entry for ``model.yaml`` under this name."""
        tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in self.network.state_dict().items()}
        about = {
            "network": asdict(settings),
            "sizes": asdict(self.sizes),
            "latents": {name: [round(float(v), 4) for v in code] for name, code in self.latents.items()},
            "known": sorted(self.known),
        }
        data = save(tensors, metadata={"anatomy": json.dumps(about)})
        return data, {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "brains": sorted(self.known)}

    def __call__(
        self,
        age: float,
        pathology: float = 0.0,
        latent: npt.NDArray[np.floating] | None = None,
        atlas_size: bool = False,
    ) -> Template:
        """Draw one brain.

        Args:
            age: weeks; beyond 21–38 the shape is extrapolated.
            pathology: 0 neurotypical to 1 spina bifida.
            latent: code of the individual, in units of the training brains' spread; 0, the average, by default.
            atlas_size: keep the atlases' size, about 11 % above the published curves' means, which are the default.
        """
        code = torch.zeros(1, self.network.latent)
        if latent is not None:
            spread = np.std(list(self.latents.values()), axis=0) if self.latents else 1.0
            code[0] = torch.as_tensor(latent * spread, dtype=torch.float32)
        with torch.inference_mode():
            # The CPU decides by its own means whether bfloat16 is fast; float32 gives the same bytes everywhere.
            out = self.network(torch.tensor([float(age)]), torch.tensor([float(pathology)]), code)[0]
        half = self.sizes.half(age, pathology)
        if not atlas_size:
            half = half * norm_scale(self.sizes, age)
        matrix = np.linalg.inv(to_canonical(half))
        return Template(out[:CHANNELS].contiguous(), out[CHANNELS:].contiguous(), matrix)
