"""The description of a network in nnU-Net v2's plans, old style and new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.nnunet.errors import Unsupported

PLAIN, RESIDUAL = "PlainConvUNet", "ResidualEncoderUNet"
Triple = tuple[int, int, int]
#: Normalisations and activations that plans may name, by the last part of their name.
NORMS = ("InstanceNorm3d", "BatchNorm3d")
ACTIVATIONS = ("LeakyReLU", "ReLU", "GELU", "SiLU", "ELU", "Mish")
#: Arguments that make no difference to a prediction, or that are read below.
KNOWN = {
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin",
    "nonlin_kwargs", "deep_supervision", "stem_channels",
}  # fmt: skip
#: Arguments that may be named with these values only.
FIXED = {"nonlin_first": (False,), "bottleneck_channels": (None,), "pool": ("conv",)}


@dataclass(frozen=True)
class Architecture:
    """A U-Net of nnU-Net's.

    Attributes:
        kind: ``PLAIN`` or ``RESIDUAL`` (residual blocks in the encoder).
        features: channels of each stage.
        kernels: of each stage.
        strides: of each stage's first convolution.
        depths: convolutions or residual blocks of each stage of the encoder.
        decoder_depths: convolutions of each stage of the decoder, the coarsest first.
        bias: of the convolutions.
        norm: name of torch's class.
        norm_arguments: of that class.
        activation: name of torch's class.
        activation_arguments: of that class.
        stem: channels of the first convolution of a residual encoder.
    """

    kind: str
    features: tuple[int, ...]
    kernels: tuple[Triple, ...]
    strides: tuple[Triple, ...]
    depths: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    bias: bool
    norm: str = "InstanceNorm3d"
    norm_arguments: Mapping[str, Any] = field(default_factory=dict)
    activation: str = "LeakyReLU"
    activation_arguments: Mapping[str, Any] = field(default_factory=dict)
    stem: int | None = None


def read_architecture(chosen: Mapping[str, Any]) -> Architecture:
    """The network of a configuration.

    Raises:
        Unsupported: one that can't be built here.
        KeyError, TypeError, ValueError: the plans are damaged.
    """
    described = chosen.get("architecture") or _from_old_style(chosen)
    kind = _last(described["network_class_name"])
    if kind not in (PLAIN, RESIDUAL):
        raise Unsupported(f"network {kind} is not known, {PLAIN} and {RESIDUAL} are")
    arguments = dict(described["arch_kwargs"])
    for name, values in FIXED.items():
        if arguments.pop(name, values[0]) not in values:
            raise Unsupported(f"arch_kwargs has an unknown value of {name}")
    if unknown := sorted(set(arguments) - KNOWN):
        raise Unsupported(f"arch_kwargs has {', '.join(unknown)}, which is not known")
    if _last(arguments["conv_op"]) != "Conv3d":
        raise Unsupported(f"convolutions are {_last(arguments['conv_op'])}")
    return _read(kind, arguments)


def _read(kind: str, arguments: Mapping[str, Any]) -> Architecture:
    stages = int(arguments["n_stages"])
    stem = arguments.get("stem_channels")
    return Architecture(
        kind=kind,
        features=_each(arguments["features_per_stage"], stages),
        kernels=tuple(_triple(value) for value in _spread(arguments["kernel_sizes"], stages)),
        strides=tuple(_triple(value) for value in _spread(arguments["strides"], stages)),
        depths=_each(arguments["n_conv_per_stage" if kind == PLAIN else "n_blocks_per_stage"], stages),
        decoder_depths=_each(arguments["n_conv_per_stage_decoder"], stages - 1),
        bias=bool(arguments.get("conv_bias", False)),
        norm=_one_of(arguments.get("norm_op"), NORMS, "norm_op"),
        norm_arguments=dict(arguments.get("norm_op_kwargs") or {}),
        activation=_one_of(arguments.get("nonlin"), ACTIVATIONS, "nonlin"),
        activation_arguments=dict(arguments.get("nonlin_kwargs") or {}),
        stem=None if stem is None else int(stem),
    )


def _from_old_style(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Plans before nnU-Net 2.3 named a few numbers; the rest was fixed (``plans_handler.py``)."""
    kind = chosen["UNet_class_name"]
    depths = chosen["n_conv_per_stage_encoder"]
    first, most = int(chosen["UNet_base_num_features"]), int(chosen["unet_max_num_features"])
    arguments = {
        "n_stages": len(depths),
        "features_per_stage": [min(first * 2**stage, most) for stage in range(len(depths))],
        "conv_op": "Conv3d",
        "kernel_sizes": chosen["conv_kernel_sizes"],
        "strides": chosen["pool_op_kernel_sizes"],
        "n_conv_per_stage" if kind == PLAIN else "n_blocks_per_stage": depths,
        "n_conv_per_stage_decoder": chosen["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": "InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": "LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {"network_class_name": kind, "arch_kwargs": arguments}


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _one_of(name: str | None, known: tuple[str, ...], what: str) -> str:
    if name is None or _last(name) not in known:
        raise Unsupported(f"{what} {name} is not known")
    return _last(name)


def _spread(value: Any, count: int) -> list[Any]:
    values = [value] * count if isinstance(value, int) else list(value)
    if len(values) != count:
        raise ValueError(f"{len(values)} entries for {count} stages")
    return values


def _each(value: Any, count: int) -> tuple[int, ...]:
    return tuple(int(n) for n in _spread(value, count))


def _triple(value: Any) -> Triple:
    a, b, c = _each(value, 3)
    return a, b, c
