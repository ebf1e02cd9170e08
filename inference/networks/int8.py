"""Convolution weights in a byte each: half the size of float16 files.

Each kernel is a row of whole numbers from -127 to 127 times a scale of its own (symmetric quantisation by channel; see
Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018). Computing stays in float.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

#: A quantised tensor's scales are stored under its name and this.
SCALE = ".scale"
LARGEST = 127


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels (two dimensions or more) as int8 with scales (N, 1, …) float32 over the first axis; the rest float16."""
    packed = {}
    for name, tensor in tensors.items():
        if tensor.ndim < 2:
            packed[name] = tensor.to(torch.float16).contiguous()
            continue
        largest = tensor.float().abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
        scale = (largest / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        packed[name] = (tensor.float() / scale).round().to(torch.int8).contiguous()
        packed[name + SCALE] = scale.contiguous()
    return packed


def restored(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors in float32, quantised or not."""
    names = [name for name in packed if not (name.endswith(SCALE) and name.removesuffix(SCALE) in packed)]
    return {
        name: packed[name].float() * packed[name + SCALE] if name + SCALE in packed else packed[name].float()
        for name in names
    }
