"""The network that mends probability maps, and where it is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from feta.errors import FetaError
from feta.grid import Grid
from feta.volumes import Volume
from inference.networks.device import choose
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.networks.weights import WeightFile, read_model
from inference.runs.settings import Settings
from inference.segmentation.autoencoder import LEAST, Autoencoder, corrected_logits
from inference.segmentation.segmenter import load_segmenter
from tests.support.networks import write_network

SHAPE = NetworkSettings(inputs=8, outputs=64, widths=(2, 2), blocks=(1, 1), heads=1, stem=2)


class Constant(nn.Module):
    """Gives the same change at every place: logits (8 · 2³,)."""

    def __init__(self, change: Tensor) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        z, y, x_size = (n // 2 for n in x.shape[2:])
        return self.change[None, :, None, None, None].expand(len(x), -1, z, y, x_size)


def _map(seed: int, *shape: int) -> Tensor:
    return torch.randn(1, 8, *shape, generator=torch.Generator().manual_seed(seed)).softmax(1)


def test_no_change_leaves_the_map_as_it_is() -> None:
    maps = _map(0, 4, 6, 8)
    assert torch.allclose(corrected_logits(Constant(torch.zeros(64)), maps).softmax(1), maps, atol=2 * LEAST)


def test_each_voxel_of_a_coarse_place_has_a_change_of_its_own() -> None:
    change = torch.arange(64.0)
    maps = _map(1, 4, 4, 4)
    found = corrected_logits(Constant(change), maps) - maps.clamp_min(LEAST).log()
    for label, z, y, x in ((0, 0, 0, 0), (3, 1, 0, 1), (7, 2, 3, 3), (5, 0, 1, 2)):
        expected = label * 8 + (z % 2) * 4 + (y % 2) * 2 + x % 2
        assert float(found[0, label, z, y, x]) == pytest.approx(expected, abs=1e-4)


def _weights(folder: Path, shape: NetworkSettings = SHAPE, spacing: float = 2.0) -> Path:
    """A folder whose autoencoder turns everything into label 5; its other networks are untrained."""
    torch.manual_seed(0)
    entries = {}
    for name, settings, mm in (
        ("locator", NetworkSettings(outputs=12, widths=(2, 2), blocks=(1, 1), heads=1), 6.0),
        ("segmentation", NetworkSettings(widths=(2, 2), blocks=(1, 1), heads=1), 2.0),
        ("autoencoder", shape, spacing),
    ):
        network = ResidualUNet(settings)
        with torch.no_grad():
            if name == "locator":
                network.heads[0].bias[0] += 100  # no brain: the header's pose
            if name == "autoencoder":
                network.heads[0].bias.view(8, -1)[5] += 100
        entries[name] = write_network(network, folder / f"{name}.safetensors", mm, settings)
    content = entries | {"segmentation": [entries["segmentation"]]}
    (folder / "model.yaml").write_text(yaml.safe_dump(content))
    return folder


def _volume() -> Volume:
    array = np.random.default_rng(0).uniform(100, 1000, (24, 24, 24)).astype(np.float32)
    return Volume(array, Grid((24,) * 3, (4.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)))


def test_the_segmenter_mends_only_when_asked(tmp_path: Path) -> None:
    model, compute = read_model(_weights(tmp_path)), choose("cpu")
    plain, mended = (
        load_segmenter(model, compute, mirror_tta=False, topology=False, autoencoder=asked)(_volume()).labels.array
        for asked in (False, True)
    )
    assert (mended[4:-4, 4:-4, 4:-4] == 5).all()
    assert not (plain == 5).all()


def test_the_whole_box_is_mended_patch_by_patch(tmp_path: Path) -> None:
    mender = Autoencoder.of(read_model(_weights(tmp_path)), choose("cpu"))
    mended = mender(_map(2, 96, 104, 96)[0])
    assert mended.shape == (8, 96, 104, 96)
    assert (mended.argmax(0) == 5).all()


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    model = replace(read_model(_weights(tmp_path)), autoencoder=None)
    with pytest.raises(FetaError, match="has none"):
        Autoencoder.of(model, choose("cpu"))


def test_one_of_another_spacing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match=r"1\.5 mm"):
        Autoencoder.of(read_model(_weights(tmp_path, spacing=1.5)), choose("cpu"))


def test_a_network_that_cannot_mend_maps_is_refused(tmp_path: Path) -> None:
    weights = WeightFile(tmp_path / "x", "", 1.0, NetworkSettings())
    with pytest.raises(FetaError, match="does not correct"):
        Autoencoder(weights, 1.0, choose("cpu"))


def test_a_result_with_it_is_another_result(tmp_path: Path) -> None:
    settings = Settings(_weights(tmp_path))
    assert settings.result_key() != replace(settings, autoencoder=True).result_key()
