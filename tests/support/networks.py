"""Weights of made-up networks, written as the submission ships them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from inference.networks.residual_unet import NetworkSettings
from inference.networks.weights import packed


def write_network(
    network: nn.Module, path: Path, spacing: float, settings: NetworkSettings, int8: bool = False
) -> dict[str, Any]:
    """Write a file of weights; gives its entry for ``model.yaml``."""
    data, entry = packed(network, path.name, spacing, settings, int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return entry
