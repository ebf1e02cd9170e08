"""nnU-Net's two U-Nets, with the names that its checkpoints use.

Written anew from the published architecture (Isensee et al., Nature Methods 2021; residual blocks: He et al., "Bag of
tricks", CVPR 2019, ResNet-D) rather than taken from the library ``dynamic-network-architectures``: that one asks for
timm, and so for torchvision and a client of a hub of models, none of which belongs in the submission's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from inference.nnunet.architecture import RESIDUAL, Architecture, Triple

ONE: Triple = (1, 1, 1)


class ConvBlock(nn.Module):
    """Convolution, normalisation, and an activation unless it is left out; dropout does nothing in a prediction."""

    def __init__(
        self,
        plan: Architecture,
        channels: tuple[int, int],
        kernel: Triple,
        stride: Triple = ONE,
        *,
        activate: bool = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2, (kernel[2] - 1) // 2)
        with_bias = plan.bias if bias is None else bias
        self.conv = nn.Conv3d(*channels, kernel, stride, padding, bias=with_bias)
        self.norm = getattr(nn, plan.norm)(channels[1], **plan.norm_arguments)
        self.nonlin = _activation(plan) if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, a, b, c) → (N, C', a', b', c')."""
        return self.nonlin(self.norm(self.conv(x)))


class ConvStack(nn.Module):
    """Convolutions one after the other; the first one may have a stride."""

    def __init__(
        self, plan: Architecture, count: int, channels: tuple[int, int], kernel: Triple, stride: Triple = ONE
    ) -> None:
        super().__init__()
        first = ConvBlock(plan, channels, kernel, stride)
        rest = [ConvBlock(plan, (channels[1], channels[1]), kernel) for _ in range(count - 1)]
        self.convs = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, a, b, c) → (N, C', a', b', c')."""
        return self.convs(x)


class ResidualEncoderBlock(nn.Module):
    """Two convolutions, and a way round them that is pooled and projected where it has to be."""

    def __init__(self, plan: Architecture, channels: tuple[int, int], kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.conv1 = ConvBlock(plan, channels, kernel, stride)
        self.conv2 = ConvBlock(plan, (channels[1], channels[1]), kernel, activate=False)
        self.nonlin2 = _activation(plan)
        way: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if stride != ONE else []
        if channels[0] != channels[1]:
            way.append(ConvBlock(plan, channels, ONE, activate=False, bias=False))
        self.skip = nn.Sequential(*way)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, a, b, c) → (N, C', a', b', c')."""
        return self.nonlin2(self.conv2(self.conv1(x)).add_(self.skip(x)))


class ResidualStack(nn.Module):
    """Residual blocks one after the other; the first one may have a stride."""

    def __init__(
        self, plan: Architecture, count: int, channels: tuple[int, int], kernel: Triple, stride: Triple
    ) -> None:
        super().__init__()
        first = ResidualEncoderBlock(plan, channels, kernel, stride)
        rest = [ResidualEncoderBlock(plan, (channels[1], channels[1]), kernel, ONE) for _ in range(count - 1)]
        self.blocks = nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, a, b, c) → (N, C', a', b', c')."""
        return self.blocks(x)


class Encoder(nn.Module):
    """Stages from fine to coarse."""

    def __init__(self, plan: Architecture, channels: int) -> None:
        super().__init__()
        residual = plan.kind == RESIDUAL
        stem = plan.stem or plan.features[0]
        self.stem = ConvStack(plan, 1, (channels, stem), plan.kernels[0]) if residual else None
        inputs = (stem if residual else channels, *plan.features)
        described = zip(plan.depths, pairwise(inputs), plan.kernels, plan.strides, strict=True)
        stages: list[nn.Module] = [
            ResidualStack(plan, *stage) if residual else nn.Sequential(ConvStack(plan, *stage)) for stage in described
        ]
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, a, b, c) → what each stage makes of it."""
        if self.stem is not None:
            x = self.stem(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class Decoder(nn.Module):
    """Stages from coarse to fine, each fed by the one below it and by the encoder's of its size."""

    def __init__(self, plan: Architecture, classes: int) -> None:
        super().__init__()
        pairs = list(pairwise(reversed(plan.features)))
        strides = list(reversed(plan.strides))[: len(pairs)]
        kernels = list(reversed(plan.kernels))[1:]
        self.transpconvs = nn.ModuleList(
            nn.ConvTranspose3d(*pair, stride, stride, bias=plan.bias)
            for pair, stride in zip(pairs, strides, strict=True)
        )
        self.stages = nn.ModuleList(
            ConvStack(plan, depth, (2 * finer, finer), kernel)
            for depth, (_, finer), kernel in zip(plan.decoder_depths, pairs, kernels, strict=True)
        )
        # Deep supervision trains one for each stage; only the last one predicts.
        self.seg_layers = nn.ModuleList(nn.Conv3d(finer, classes, 1) for _, finer in pairs)

    def forward(self, skips: Sequence[Tensor]) -> Tensor:
        """The encoder's stages → logits (N, classes, a, b, c)."""
        x = skips[-1]
        for up, stage, skip in zip(self.transpconvs, self.stages, reversed(skips[:-1]), strict=True):
            x = stage(torch.cat((up(x), skip), 1))
        return self.seg_layers[-1](x)


class UNet(nn.Module):
    """A U-Net of nnU-Net's, for predictions.

    Args:
        plan: of the network.
        channels: of the image.
        classes: of the logits.
    """

    def __init__(self, plan: Architecture, channels: int, classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(plan, channels)
        self.decoder = Decoder(plan, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, a, b, c) → logits (N, classes, a, b, c)."""
        return self.decoder(self.encoder(x))


def _activation(plan: Architecture) -> nn.Module:
    return getattr(nn, plan.activation)(**plan.activation_arguments)
