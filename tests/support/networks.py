"""Weights of made-up networks, written as the submission ships them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.networks.weights import packed
from inference.segmentation.locator import OUTPUTS


def write_network(
    network: nn.Module, path: Path, spacing: float, settings: NetworkSettings, int8: bool = False
) -> dict[str, Any]:
    """Write a file of weights; gives its entry for ``model.yaml``."""
    data, entry = packed(network, path.name, spacing, settings, int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return entry


def write_tiny_weights(folder: Path) -> Path:
    """Untrained networks with two channels a level: for tests of what needs no good label map.

    The locator takes everything for background, so that the header tells how the brain lies: one that sees a brain
    where none is would go on searching, half of a call's time.
    """
    torch.manual_seed(0)

    def entry(name: str, outputs: int, spacing: float) -> dict[str, Any]:
        settings = NetworkSettings(outputs=outputs, widths=(2, 2, 2), blocks=(1, 1, 1), heads=1)
        network = ResidualUNet(settings)
        if outputs == OUTPUTS:
            network.heads[0].bias.data[0] = 100.0
        return write_network(network, folder / name, spacing, settings)

    model = {"locator": entry("l.safetensors", OUTPUTS, 4.0), "segmentation": [entry("s.safetensors", 8, 2.0)]}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    return folder
