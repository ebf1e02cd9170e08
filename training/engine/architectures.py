"""Networks that are trained for comparison: the one that is shipped, its twin in two dimensions, and Swin UNETR."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

import torch.nn.functional as F
from torch import Tensor, nn

from feta.errors import FetaError, installed_by
from inference.networks.residual_unet import NetworkSettings, Norm, ResidualUNet

#: Swin UNETR halves its input five times.
_SWIN_MULTIPLE = 32


class Kind(StrEnum):
    """Which architecture. Only the U-Net can be exported."""

    UNET = "unet"
    UNET2D = "unet2d"
    SWIN_UNETR = "swin_unetr"


@dataclass(frozen=True)
class ArchitectureSettings(NetworkSettings):
    """A network's shape and kind.

    Attributes:
        kind: ``unet2d`` sees one axial slice at a time. Of ``swin_unetr`` (Hatamizadeh et al., 2022; MONAI's, from
            the extra ``architectures``) ``widths`` are four that double, multiples of 12, ``blocks`` the even
            numbers of its attention blocks, and ``heads`` is 1.
    """

    kind: Kind = Kind.UNET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind is not Kind.UNET and self.norm is not Norm.INSTANCE:
            raise ValueError(f"norm of {self.kind} must be instance")
        if self.kind is not Kind.SWIN_UNETR:
            return
        if self.widths != tuple(self.widths[0] * 2**i for i in range(4)) or self.widths[0] % 12:
            raise ValueError("widths of swin_unetr must be four that double, from a multiple of 12")
        if self.heads != 1:
            raise ValueError("swin_unetr has one head")


def make_network(settings: NetworkSettings) -> nn.Module:
    """A fresh network, a U-Net where the settings name no kind.

    As the shipped one, it has ``levels(x, heads)``, and called it gives the finest logits.

    Raises:
        FetaError: it needs a library that is not installed.
    """
    if not isinstance(settings, ArchitectureSettings) or settings.kind is Kind.UNET:
        return ResidualUNet(settings)
    return SliceUNet(settings) if settings.kind is Kind.UNET2D else SwinUNETR(settings)


def shipped(settings: NetworkSettings) -> NetworkSettings:
    """The settings as ``model.yaml`` has them.

    Raises:
        FetaError: the submission cannot run this kind.
    """
    if isinstance(settings, ArchitectureSettings) and settings.kind is not Kind.UNET:
        raise FetaError("network.kind", f"{settings.kind} is not what the submission runs", "export a unet")
    return NetworkSettings(**{field.name: getattr(settings, field.name) for field in fields(NetworkSettings)})


class SliceUNet(nn.Module):
    """The residual U-Net in two dimensions: each axial slice by itself."""

    def __init__(self, settings: ArchitectureSettings) -> None:
        super().__init__()
        self.flat = ResidualUNet(settings)
        _flatten(self.flat)

    def levels(self, x: Tensor, heads: int) -> list[Tensor]:
        """(N, inputs, Z, Y, X) → logits (N, outputs, Z, Y/2ⁱ, X/2ⁱ) of the ``heads`` finest levels."""
        samples, depth = x.shape[0], x.shape[2]
        found = self.flat.levels(x.movedim(2, 1).flatten(0, 1), heads)
        return [level.reshape(samples, depth, *level.shape[1:]).movedim(1, 2) for level in found]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) → logits (N, outputs, Z, Y, X)."""
        return self.levels(x, heads=1)[0]


def _flatten(module: nn.Module) -> None:
    """Put layers of two dimensions in place of those of three."""
    for name, layer in module.named_children():
        if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
            kind = nn.Conv2d if isinstance(layer, nn.Conv3d) else nn.ConvTranspose2d
            side, stride, padding = (int(n[0]) for n in (layer.kernel_size, layer.stride, layer.padding))
            flat = kind(layer.in_channels, layer.out_channels, side, stride, padding, bias=layer.bias is not None)
            setattr(module, name, flat)
        elif isinstance(layer, nn.InstanceNorm3d):
            setattr(module, name, nn.InstanceNorm2d(layer.num_features, affine=True))
        else:
            _flatten(layer)


class SwinUNETR(nn.Module):
    """MONAI's Swin UNETR, on patches of any size."""

    def __init__(self, settings: ArchitectureSettings) -> None:
        super().__init__()
        try:
            import einops  # noqa: F401  (MONAI asks for it only when it computes)
            from monai.networks.nets.swin_unetr import SwinUNETR as Swin
        except ImportError as error:
            raise FetaError(
                "network.kind", "swin_unetr needs MONAI and einops", installed_by("architectures")
            ) from error
        self.swin = Swin(
            in_channels=settings.inputs,
            out_channels=settings.outputs,
            depths=settings.blocks,
            feature_size=settings.widths[0],
        )

    def levels(self, x: Tensor, heads: int) -> list[Tensor]:
        """(N, inputs, Z, Y, X) → logits of the same size; there is one level."""
        del heads
        padding = [n for side in reversed(x.shape[2:]) for n in (0, -side % _SWIN_MULTIPLE)]
        z, y, x_ = x.shape[2:]
        return [self.swin(F.pad(x, padding))[:, :, :z, :y, :x_]]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, Z, Y, X) → logits (N, outputs, Z, Y, X)."""
        return self.levels(x, heads=1)[0]
