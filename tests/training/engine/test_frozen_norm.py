"""Frozen statistics of normalisation: what they are, that they stay, and that folding them changes nothing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

from feta.errors import FetaError
from inference.networks.frozen_norm import by_statistics_of, folded, frozen_norms, gather_statistics, unfolded
from inference.networks.residual_unet import NetworkSettings, Norm, ResidualUNet
from inference.networks.weights import packed, read_model, ship
from tests.support.networks import write_network
from training.engine.architectures import ArchitectureSettings, Kind
from training.engine.loop import train
from training.engine.optimisers import LoopSettings
from training.engine.run_state import begin_or_resume

SETTINGS = NetworkSettings(widths=(4, 6, 8), blocks=(1, 2, 1), heads=2)
FROZEN = replace(SETTINGS, norm=Norm.FROZEN)


def image(seed: int, side: int = 16) -> Tensor:
    return torch.randn((1, 1, side, side, side), generator=torch.Generator().manual_seed(seed)) * (1 + seed % 3)


def with_statistics() -> ResidualUNet:
    torch.manual_seed(0)
    network = ResidualUNet(FROZEN)
    gather_statistics(network, range(5), lambda seed: network(image(seed)))
    for norm in frozen_norms(network):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return network.eval()


class Task:
    """Images whose target is nothing."""

    def loss(self, network: nn.Module, seeds: list[int], done: float) -> Tensor:
        del done
        return network(torch.cat([image(seed % 97) for seed in seeds])).square().mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        del network
        return {}


def run(folder: Path, settings: NetworkSettings, pretrained: Path | None = None, steps: int = 3) -> nn.Module:
    torch.manual_seed(1)
    loop = LoopSettings(steps=steps, learning_rate=0.1, warmup=1)
    lineage = {"settings": {}, "training": ["sub-a"]}
    return train(ResidualUNet(settings), Task(), loop, folder, lambda line: None, lineage, pretrained)


def test_folded_into_the_convolutions_they_do_the_same() -> None:
    network, seen = with_statistics(), image(9)
    torch.testing.assert_close(folded(network)(seen), network(seen), atol=1e-5, rtol=1e-4)


def test_unfolded_it_does_the_same_and_folds_back_to_the_same_weights() -> None:
    network, seen = folded(with_statistics()), image(9)
    again = unfolded(network)
    torch.testing.assert_close(again(seen), network(seen), atol=1e-5, rtol=1e-4)
    assert all(norm.num_batches_tracked for norm in frozen_norms(again))
    torch.testing.assert_close(folded(again).state_dict(), network.state_dict())


def ship_network(folder: Path, network: ResidualUNet) -> Path:
    """A folder of weights with this segmentation network."""
    other = NetworkSettings(outputs=12, widths=(2, 2), blocks=(1, 1), heads=1)
    folder.mkdir()
    entries = {
        "locator": write_network(ResidualUNet(other), folder / "locator.safetensors", 3.0, other),
        "segmentation": [write_network(network, folder / "segmentation.safetensors", 0.8, network.settings)],
    }
    ship(folder, {}, entries)
    return folder


@pytest.fixture
def shipped(tmp_path: Path) -> tuple[Path, ResidualUNet]:
    """A folder of weights, and its segmentation network, folded."""
    network = folded(with_statistics())
    return ship_network(tmp_path / "weights", network), network


def test_weights_as_they_are_shipped_are_fine_tuned(tmp_path: Path, shipped: tuple[Path, ResidualUNet]) -> None:
    folder, network = shipped
    begun = ResidualUNet(FROZEN)
    lines: list[str] = []
    state = begin_or_resume(begun, LoopSettings(), tmp_path / "run", lines.append, {"settings": {}}, folder)
    assert "doesn't say whom its networks learned from" in lines[0]
    torch.testing.assert_close(state.average(image(9)), network(image(9)), atol=0.02, rtol=0.02)  # float16
    trained = run(tmp_path / "trained", FROZEN, folder)
    assert not torch.equal(trained(image(9)), state.average(image(9)))


def test_a_run_that_began_with_weights_that_do_not_tell_whom_they_know_says_so(
    tmp_path: Path, shipped: tuple[Path, ResidualUNet]
) -> None:
    last = shipped[0]
    for number in range(2):
        run(tmp_path / f"{number}", FROZEN, last)
        run(tmp_path / f"{number}", FROZEN, steps=4)  # goes on from its checkpoint
        lines: list[str] = []
        lineage = {"settings": {}, "training": ["sub-a"], "origins": []}
        last = tmp_path / f"{number}"
        begin_or_resume(ResidualUNet(FROZEN), LoopSettings(), tmp_path / "run", lines.append, lineage, last)
        assert lines == [f"{last} began with weights that don't say whom they learned from: see their model card"]


def test_shipped_weights_are_not_mixed_with_instance_normalisation(
    tmp_path: Path, shipped: tuple[Path, ResidualUNet]
) -> None:
    with pytest.raises(FetaError, match=r"frozen statistics; add --over training/configs/frozen\.yaml"):
        run(tmp_path / "run", SETTINGS, shipped[0])


@pytest.mark.parametrize("settings", [SETTINGS, FROZEN])
def test_shipped_weights_with_instance_normalisation_are_fine_tuned_as_they_are_or_frozen(
    tmp_path: Path, settings: NetworkSettings
) -> None:
    network = ResidualUNet(SETTINGS)
    folder = ship_network(tmp_path / "weights", network)
    begun = ResidualUNet(settings)
    begin_or_resume(begun, LoopSettings(), tmp_path / "run", lambda line: None, {"settings": {}}, folder)
    for name, weights in network.state_dict().items():
        assert torch.equal(begun.state_dict()[name], weights.half().float())
    trained = run(tmp_path / "trained", settings, folder)
    assert all(norm.num_batches_tracked > 0 for norm in frozen_norms(trained))


def test_shipped_weights_of_other_shapes_are_one_clear_line(tmp_path: Path, shipped: tuple[Path, ResidualUNet]) -> None:
    with pytest.raises(FetaError, match="holds no network of this shape"):
        run(tmp_path / "run", replace(FROZEN, widths=(4, 6, 9)), shipped[0])


def test_no_layer_is_left_of_what_was_folded() -> None:
    names = folded(with_statistics()).state_dict()
    assert not [name for name in names if "norm" in name or "running" in name]


def test_statistics_are_the_mean_of_those_of_the_samples() -> None:
    network = with_statistics()
    norm, first = frozen_norms(network)[0], network.encoder[0][0].first  # type: ignore[index, union-attr]
    outputs = [first(image(seed)).detach() for seed in range(5)]
    torch.testing.assert_close(norm.running_mean, torch.stack([o.mean((0, 2, 3, 4)) for o in outputs]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([o.var((0, 2, 3, 4)) for o in outputs]).mean(0))


def test_training_leaves_the_statistics_and_moves_the_rest() -> None:
    network = with_statistics().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    sum(level.square().mean() for level in network.levels(image(3), 2)).backward()  # type: ignore[union-attr]
    optimiser.step()
    same = {name for name, value in network.state_dict().items() if torch.equal(value, before[name])}
    assert same == {name for name in before if "running" in name or "tracked" in name}


def test_what_a_network_predicts_does_not_depend_on_how_much_it_sees() -> None:
    whole = image(4, 96)
    network = folded(with_statistics())
    reach = 32  # more than its receptive field reaches, and a multiple of what it halves
    part = whole[..., 16:80, 16:80, 16:80]
    inner = slice(reach, 64 - reach + 1)
    at = slice(16 + reach, 80 - reach + 1)
    torch.testing.assert_close(network(part)[..., inner, inner, inner], network(whole)[..., at, at, at])


def test_by_the_statistics_of_an_image_that_image_is_seen_as_ever() -> None:
    torch.manual_seed(0)
    network, seen = ResidualUNet(SETTINGS).eval(), image(4, 32)
    expected = network(seen)
    found = by_statistics_of(network, seen, nullcontext())(seen)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-2)


def test_by_instances_it_does() -> None:
    """What the test above holds against: otherwise it could not fail."""
    torch.manual_seed(0)
    network, whole = ResidualUNet(SETTINGS).eval(), image(4, 96)
    whole[..., :16, :, :] *= 9
    part = whole[..., 16:80, 16:80, 16:80]
    assert (network(part)[..., 32, 32, 32] - network(whole)[..., 48, 48, 48]).abs().max() > 1e-3


def test_a_run_takes_them_from_the_network_that_it_fine_tunes(tmp_path: Path) -> None:
    run(tmp_path / "first", SETTINGS)
    average = run(tmp_path / "second", FROZEN, tmp_path / "first")
    assert all(norm.num_batches_tracked > 0 for norm in frozen_norms(average))


def test_a_run_that_is_fine_tuned_again_keeps_them(tmp_path: Path) -> None:
    run(tmp_path / "first", SETTINGS)
    second = run(tmp_path / "second", FROZEN, tmp_path / "first")
    third = run(tmp_path / "third", FROZEN, tmp_path / "second")
    for one, other in zip(frozen_norms(second), frozen_norms(third), strict=True):
        assert torch.equal(one.running_mean, other.running_mean)  # type: ignore[arg-type]


def test_from_nothing_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="takes its statistics from trained weights; train with 'instance' first"):
        run(tmp_path, FROZEN)


def test_only_the_u_net_has_them() -> None:
    with pytest.raises(ValueError, match="norm of unet2d must be instance"):
        ArchitectureSettings(kind=Kind.UNET2D, norm=Norm.FROZEN)


def test_weights_say_what_normalises_them(tmp_path: Path) -> None:
    network = folded(with_statistics())
    data, entry = packed(network, "x.safetensors", 1.0, network.settings)
    (tmp_path / "x.safetensors").write_bytes(data)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"locator": entry, "segmentation": [entry]}))
    assert read_model(tmp_path).segmentation[0].network.norm is Norm.FOLDED


def test_statistics_of_an_image_import_no_compiler() -> None:
    code = (
        "import sys, torch; from contextlib import nullcontext; from inference.networks.frozen_norm import *;"
        "from inference.networks.residual_unet import NetworkSettings;"
        "network = ResidualUNet(NetworkSettings(widths=(4, 6), blocks=(1, 1), heads=1));"
        "by_statistics_of(network, torch.ones(1, 1, 8, 8, 8), nullcontext()); assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
