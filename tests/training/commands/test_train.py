"""Training, export and validation from the command line, on balls that take seconds."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.distributed.run import get_args_parser
from typer.main import get_command
from typer.testing import CliRunner

from feta.errors import FetaError
from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.networks.weights import load_network, read_model
from tests.support.tiny_subjects import write_balls
from training.cli import FIT, app
from training.commands.common import CONFIGS, VALIDATION
from training.commands.renamed import OPTIONS

TINY = {
    "network": {"widths": [2, 2, 2], "blocks": [1, 1, 1], "heads": 1},
    "synthesis": {"size": 16, "spacing": 6.0},
    "loop": {"steps": 2, "validate_every": 2},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with atlases, two runs of two steps each, and exported weights."""
    root = tmp_path_factory.mktemp("networks")
    write_balls(root / "atlases", ("sub-a", "sub-b", VALIDATION[0]), side=24, spacing=4.0)
    options = ["--threads", "1"]
    for kind, outputs in (("locator", 12), ("segmentation", 8)):
        settings = TINY | {"network": TINY["network"] | {"outputs": outputs}}
        (root / f"{kind}.yaml").write_text(yaml.safe_dump(settings))
        call = ["fit", kind, str(root / "atlases"), str(root / kind), "--config", str(root / f"{kind}.yaml"), *options]
        assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    for network, count in (("locator", 1), ("segmentation", 2)):
        call = ["export", network, str(root / "weights"), *[str(root / network)] * count]
        assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    return root


def test_an_ensemble_is_exported_and_loads(exported: Path) -> None:
    model = read_model(exported / "weights")
    assert [f.path.name for f in model.segmentation] == ["segmentation-1.safetensors", "segmentation-2.safetensors"]
    assert load_network(model.locator).settings.outputs == 12
    assert model.segmentation[0].spacing == 6.0


def _export(exported: Path, *options: str) -> str:
    """What export complains of; the folder of weights must stay as it was."""
    before = {path.name: path.read_bytes() for path in (exported / "weights").iterdir()}
    result = CliRunner().invoke(app, ["export", *options])
    assert {path.name: path.read_bytes() for path in (exported / "weights").iterdir()} == before
    return str(result.exception)


def test_a_folder_without_a_locator_is_said_to_lack_it(exported: Path, tmp_path: Path) -> None:
    call = ["export", "segmentation", str(tmp_path / "weights"), str(exported / "segmentation")]
    result = CliRunner().invoke(app, call, catch_exceptions=False)
    assert result.exit_code == 0
    assert "holds no locator yet" in result.stderr
    call = ["export", "locator", str(tmp_path / "weights"), str(exported / "locator")]
    again = CliRunner().invoke(app, call, catch_exceptions=False)
    assert again.exit_code == 0
    assert "yet" not in again.stderr


def test_what_was_fitted_to_the_networks_before_is_named(exported: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "biometry.json").write_text("{}")
    call = ["export", "segmentation", str(weights), str(exported / "segmentation")]
    for other in (True, False):  # the same network again makes no difference
        result = CliRunner().invoke(app, call, catch_exceptions=False)
        assert result.exit_code == 0
        assert ("biometry.json: fitted to the networks before" in result.stderr) is other
        assert "confidence.json" not in result.stderr


def test_a_mistyped_run_leaves_exported_weights_as_they_were(exported: Path) -> None:
    runs = str(exported / "segmentation"), str(exported / "typo")
    assert "does not exist" in _export(exported, "segmentation", "--int8", str(exported / "weights"), *runs)
    # As the call was before `export` was a group.
    options = ["--int8", "--segmentation-run", runs[0], "--locator-run", runs[1]]
    assert "does not exist" in _export(exported, str(exported / "weights"), *options)


def test_a_run_of_another_network_is_not_exported(exported: Path) -> None:
    call = "segmentation", str(exported / "weights"), str(exported / "locator")
    assert "it has 12 outputs, and this one 8" in _export(exported, *call)


def test_networks_of_two_spacings_make_no_ensemble(exported: Path) -> None:
    state = torch.load(exported / "segmentation" / "checkpoint.pt", weights_only=True)
    state["made_of"]["settings"]["synthesis"]["spacing"] = 5.0
    (exported / "other").mkdir()
    torch.save(state, exported / "other" / "checkpoint.pt")
    call = "segmentation", str(exported / "weights"), str(exported / "segmentation"), str(exported / "other")
    assert "networks at 5 and 6 mm make no ensemble" in _export(exported, *call)


def test_the_mean_of_two_runs_is_one_network_of_their_mean_weights(exported: Path, tmp_path: Path) -> None:
    state = torch.load(exported / "segmentation" / "checkpoint.pt", weights_only=True)
    other = {name: value + 2.0 if value.is_floating_point() else value for name, value in state["average"].items()}
    (tmp_path / "other").mkdir()
    torch.save(state | {"average": other}, tmp_path / "other" / "checkpoint.pt")
    runs = [str(exported / "segmentation"), str(tmp_path / "other")]
    call = ["export", "segmentation", str(tmp_path / "weights"), *runs, "--mean"]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    index = yaml.safe_load((tmp_path / "weights" / "model.yaml").read_text())["segmentation"]
    assert [entry["steps"] for entry in index] == [2 * state["step"]]
    found = load_file(tmp_path / "weights" / "segmentation.safetensors")
    name = "heads.0.weight"
    np.testing.assert_allclose(found[name].float(), state["average"][name] + 1.0, atol=2e-3)


def test_networks_of_two_shapes_have_no_mean(exported: Path, tmp_path: Path) -> None:
    state = torch.load(exported / "segmentation" / "checkpoint.pt", weights_only=True)
    state["made_of"]["settings"]["network"]["widths"] = [4, 4, 4]
    shape = NetworkSettings(outputs=8, widths=(4, 4, 4), blocks=(1, 1, 1), heads=1)
    state["average"] = ResidualUNet(shape).state_dict()
    (tmp_path / "other").mkdir()
    torch.save(state, tmp_path / "other" / "checkpoint.pt")
    runs = [str(tmp_path / "other"), str(exported / "segmentation")]
    assert "of another shape" in _export(exported, "segmentation", str(exported / "weights"), *runs, "--mean")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: [", b"- a", b"7", None], ids=repr)
def test_an_index_that_cannot_be_read_is_one_clear_line(exported: Path, tmp_path: Path, content: bytes | None) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "segmentation.safetensors").write_bytes(b"old")
    if content is None:
        (weights / "model.yaml").mkdir()
    else:
        (weights / "model.yaml").write_bytes(content)
    result = CliRunner().invoke(app, ["export", "segmentation", str(weights), str(exported / "segmentation")])
    assert isinstance(result.exception, FetaError)
    assert "model.yaml: " in str(result.exception)
    assert (weights / "segmentation.safetensors").read_bytes() == b"old"
    assert len(list(weights.iterdir())) == 2


def test_a_file_of_an_ensemble_that_cannot_be_written_leaves_the_folder_as_it_was(
    exported: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    (weights / "segmentation-2.safetensors").mkdir(parents=True)
    (weights / "segmentation-1.safetensors").write_bytes(b"old")
    (weights / "model.yaml").write_text("old: 1\n")
    runs = [str(exported / "segmentation")] * 2
    result = CliRunner().invoke(app, ["export", "segmentation", str(weights), *runs])
    assert "segmentation-2.safetensors: cannot be written" in str(result.exception)
    assert (weights / "segmentation-1.safetensors").read_bytes() == b"old"
    assert (weights / "model.yaml").read_text() == "old: 1\n"
    assert len(list(weights.iterdir())) == 3


@pytest.mark.parametrize("network", FIT)
def test_torchrun_takes_every_option_for_ours(network: str) -> None:
    """Its parser refuses an option that is the beginning of several of its own, wherever it stands."""
    command = get_command(app).commands["fit"].commands[network]  # type: ignore[attr-defined]
    options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    assert "--minutes" in options
    call = [word for name in (*options, *OPTIONS) for word in (name, "1")]
    asked = get_args_parser().parse_args(["--nproc-per-node", "2", "-m", "training", "fit", network, *call])
    assert asked.training_script_args == ["fit", network, *call]


def test_training_settings_are_part_of_the_package() -> None:
    packaged = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {path for pattern in packaged["package-data"]["training"] for path in CONFIGS.parent.glob(pattern)}
    assert found == set(CONFIGS.rglob("*.yaml"))


def test_validation_figures_are_logged(exported: Path) -> None:
    rows = list(csv.DictReader((exported / "locator" / "log.csv").open()))
    assert rows[-1]["step"] == "2"
    assert 0 <= float(rows[-1]["brain_dice"]) <= 1


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["fit", "segmentation", str(tmp_path / "nowhere"), str(tmp_path / "run")])
    assert "is not a folder" in str(result.exception)


def test_exporting_an_unfinished_run_is_one_clear_line(tmp_path: Path) -> None:
    call = ["export", "segmentation", str(tmp_path / "w"), str(tmp_path)]
    assert "has been trained" in str(CliRunner().invoke(app, call).exception)
