import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from feta.errors import FetaError
from inference.networks.int8 import quantised, restored
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.networks.weights import load_network, read_model
from tests.support.networks import write_network

SETTINGS = NetworkSettings(widths=(2, 4), blocks=(1, 1), heads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    entry = write_network(ResidualUNet(SETTINGS), tmp_path / "a.safetensors", 1.0, SETTINGS)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"locator": entry, "segmentation": [entry, entry]}))
    return tmp_path


def test_weights_come_back_to_float16_precision(folder: Path) -> None:
    torch.manual_seed(0)
    original = ResidualUNet(SETTINGS).state_dict()
    model = read_model(folder)
    loaded = load_network(model.segmentation[1]).state_dict()
    assert len(model.segmentation) == 2
    assert loaded.keys() == original.keys()
    assert all(torch.allclose(loaded[k], original[k], rtol=1e-3, atol=1e-6) for k in original)


def test_weights_in_bytes_come_back_to_half_a_step_of_their_channel(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ResidualUNet(SETTINGS)
    entry = write_network(network, tmp_path / "a.safetensors", 1.0, SETTINGS, int8=True)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"locator": entry, "segmentation": [entry]}))
    loaded = load_network(read_model(tmp_path).locator).state_dict()
    for name, tensor in network.state_dict().items():
        channels = tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None]
        half_a_step = channels.abs().amax(1) / 127 / 2 if tensor.ndim > 1 else 1e-3 * channels.abs().amax(1) + 1e-6
        assert ((loaded[name] - tensor).reshape(channels.shape).abs().amax(1) <= half_a_step * 1.001 + 1e-7).all()


def test_weights_in_bytes_take_half_the_room(tmp_path: Path) -> None:
    settings = NetworkSettings(widths=(16, 32), blocks=(1, 1), heads=1)
    for name, int8 in (("half", False), ("byte", True)):
        write_network(ResidualUNet(settings), tmp_path / name, 1.0, settings, int8)
    assert (tmp_path / "byte").stat().st_size < 0.6 * (tmp_path / "half").stat().st_size


def test_a_channel_of_zeros_stays_zero() -> None:
    assert torch.equal(restored(quantised({"w": torch.zeros(2, 3)}))["w"], torch.zeros(2, 3))


def test_one_changed_byte_is_noticed(folder: Path) -> None:
    path = folder / "a.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FetaError, match=r"a\.safetensors: is damaged or another version"):
        load_network(read_model(folder).locator)


@pytest.mark.parametrize("kept", [0, 4, 100, 400])
def test_a_file_cut_short_before_it_was_described_is_one_clear_line(folder: Path, kept: int) -> None:
    data = (folder / "a.safetensors").read_bytes()[:kept]
    (folder / "a.safetensors").write_bytes(data)
    file = replace(read_model(folder).locator, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(FetaError, match=r"a\.safetensors: does not fit the network"):
        load_network(file)


def test_a_file_outside_the_folder_is_refused(folder: Path) -> None:
    text = (folder / "model.yaml").read_text().replace("a.safetensors", "../a.safetensors")
    (folder / "model.yaml").write_text(text)
    with pytest.raises(FetaError, match=r"model\.yaml: is not a valid description"):
        read_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "locator: 3", "segmentation: []", "{", "locator: {}\nsegmentation: []"])
def test_a_broken_index_is_one_clear_line(folder: Path, text: str) -> None:
    (folder / "model.yaml").write_text(text)
    with pytest.raises(FetaError, match=r"model\.yaml: is not a valid") as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)


def test_missing_files_are_one_clear_line(folder: Path) -> None:
    (folder / "a.safetensors").unlink()
    with pytest.raises(FetaError, match="cannot be read"):
        load_network(read_model(folder).locator)
    with pytest.raises(FetaError, match="cannot be read"):
        read_model(folder / "nowhere")


def test_an_index_nested_too_deeply_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("[" * 5000)
    with pytest.raises(FetaError, match="not a valid description of weights"):
        read_model(tmp_path)
