"""The residual 3D U-Net with deep supervision that the top teams of FeTA share.

Residual encoder blocks as in nnU-Net's residual-encoder plans (Isensee et al., MICCAI 2024), leaky ReLU, strided
convolutions down, transposed convolutions up. Instance normalisation (Ulyanov et al., 2016) ties what a network
predicts to the size of the patch that it sees; with frozen statistics it sees a whole brain at once, and these become
part of the convolutions before it is shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

SLOPE = 0.01


class Norm(StrEnum):
    """What normalises a layer's output.

    instance: its own mean and variance over the patch. frozen: means and variances that were gathered over training
    samples and stay, as in torchvision's FrozenBatchNorm2d. folded: nothing, since they are in the convolutions.
    """

    INSTANCE = "instance"
    FROZEN = "frozen"
    FOLDED = "folded"


@dataclass(frozen=True)
class NetworkSettings:
    """What fixes the shape of every weight.

    Attributes:
        inputs: channels of the image.
        outputs: channels of the logits.
        widths: channels of each level, the finest first; each level halves the size.
        blocks: residual blocks in each level of the encoder.
        heads: how many levels of the decoder give logits (deep supervision); 1 is enough to predict.
        stem: stride of the first convolution; the output is as many times coarser than the input.
        norm: what normalises the layers.
    """

    inputs: int = 1
    outputs: int = 8
    widths: tuple[int, ...] = (16, 32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 1, 1, 1, 1)
    heads: int = 3
    stem: int = 1
    norm: Norm = Norm.INSTANCE

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"{len(self.widths)} widths but {len(self.blocks)} numbers of blocks")
        if not 1 <= self.heads < len(self.widths):
            raise ValueError(f"heads must lie in 1..{len(self.widths) - 1}, not {self.heads}")

    @property
    def multiple(self) -> int:
        """Every side of a patch must be a multiple of this."""
        return int(self.stem * 2 ** (len(self.widths) - 1))


class FrozenNorm(nn.BatchNorm3d):
    """Normalises by statistics that training doesn't change, unless they are being gathered; its affine part learns."""

    gathering = False

    def __init__(self, width: int) -> None:
        super().__init__(width, momentum=None)  # gathered statistics are plain means over what was seen
        self.train(False)

    def train(self, mode: bool = True) -> FrozenNorm:
        """Whatever the mode of the network, statistics change only while they are gathered."""
        del mode
        super().train(self.gathering)
        return self


def _norm(width: int, norm: Norm) -> nn.Module:
    if norm is Norm.FOLDED:
        return nn.Identity()
    return FrozenNorm(width) if norm is Norm.FROZEN else nn.InstanceNorm3d(width, affine=True)


class ResidualBlock(nn.Module):
    """conv – norm – act – conv – norm, plus the input (projected where shape changes), act."""

    def __init__(self, inputs: int, width: int, stride: int = 1, norm: Norm = Norm.INSTANCE) -> None:
        super().__init__()
        bias = norm is Norm.FOLDED
        self.first = nn.Conv3d(inputs, width, 3, stride=stride, padding=1, bias=bias)
        self.norm1 = _norm(width, norm)
        self.second = nn.Conv3d(width, width, 3, padding=1, bias=bias)
        self.norm2 = _norm(width, norm)
        same = inputs == width and stride == 1
        self.skip: nn.Module = nn.Identity() if same else nn.Conv3d(inputs, width, 1, stride=stride, bias=False)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) → (N, width, Z/stride, Y/stride, X/stride)."""
        y = self.act(self.norm1(self.first(x)))
        return self.act(self.norm2(self.second(y)) + self.skip(x))


class UpBlock(nn.Module):
    """Transposed convolution up, the encoder's features beside it, one convolution."""

    def __init__(self, inputs: int, width: int, norm: Norm = Norm.INSTANCE) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(inputs, width, 2, stride=2)
        self.conv = nn.Conv3d(2 * width, width, 3, padding=1, bias=norm is Norm.FOLDED)
        self.norm = _norm(width, norm)
        self.act = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Coarse (N, inputs, Z, Y, X) and skip (N, width, 2Z, 2Y, 2X) → (N, width, 2Z, 2Y, 2X)."""
        return self.act(self.norm(self.conv(torch.cat((self.up(x), skip), dim=1))))


class ResidualUNet(nn.Module):
    """Residual encoder, plain decoder, logits at several resolutions."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        widths, norm = settings.widths, settings.norm
        stages = []
        for level, (width, blocks) in enumerate(zip(widths, settings.blocks, strict=True)):
            inputs = widths[level - 1] if level else settings.inputs
            first = ResidualBlock(inputs, width, stride=2 if level else settings.stem, norm=norm)
            stages.append(nn.Sequential(first, *(ResidualBlock(width, width, norm=norm) for _ in range(blocks - 1))))
        self.encoder = nn.ModuleList(stages)
        self.decoder = nn.ModuleList(UpBlock(widths[i + 1], widths[i], norm) for i in reversed(range(len(widths) - 1)))
        self.heads = nn.ModuleList(nn.Conv3d(widths[i], settings.outputs, 1) for i in range(settings.heads))

    @classmethod
    def of(cls, settings: NetworkSettings, weights: Mapping[str, Tensor]) -> ResidualUNet:
        """A network of these weights, which it keeps as its own; none are drawn first only to be overwritten.

        Raises:
            RuntimeError: they are of another shape.
        """
        with torch.device("meta"):
            network = cls(settings)
        network.load_state_dict(weights, assign=True)
        return network

    def levels(self, x: Tensor, heads: int) -> list[Tensor]:
        """Logits of the ``heads`` finest levels; index 0 is the highest resolution, ``x``'s over ``stem``."""
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        outputs: list[Tensor] = []
        for level, block in zip(reversed(range(len(self.decoder))), self.decoder, strict=True):
            x = block(x, skips[level])
            if level < heads:
                outputs.append(self.heads[level](x))
        return outputs[::-1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) → logits (N, outputs, Z/stem, Y/stem, X/stem); sides are multiples of ``multiple``."""
        return self.levels(x, heads=1)[0]
