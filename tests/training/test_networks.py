"""Training, export and validation from the command line, on balls that take seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from tiny_subjects import write_balls
from typer.testing import CliRunner

from inference.weights import load_network, read_model
from training.cli import app
from training.commands import VALIDATION

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
        call = [kind, str(root / "atlases"), str(root / kind), "--config", str(root / f"{kind}.yaml"), *options]
        assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    call = ["export", str(root / "weights"), "--locator-run", str(root / "locator")]
    call += ["--segmentation-run", str(root / "segmentation"), "--segmentation-run", str(root / "segmentation")]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    return root


def test_an_ensemble_is_exported_and_loads(exported: Path) -> None:
    model = read_model(exported / "weights")
    assert [f.path.name for f in model.segmentation] == ["segmentation-1.safetensors", "segmentation-2.safetensors"]
    assert load_network(model.locator).settings.outputs == 12
    assert model.segmentation[0].spacing == 6.0


def test_validation_figures_are_logged(exported: Path) -> None:
    rows = list(csv.DictReader((exported / "locator" / "log.csv").open()))
    assert rows[-1]["step"] == "2"
    assert 0 <= float(rows[-1]["brain_dice"]) <= 1


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["segmentation", str(tmp_path / "nowhere"), str(tmp_path / "run")])
    assert "is not a folder" in str(result.exception)


def test_exporting_an_unfinished_run_is_one_clear_line(tmp_path: Path) -> None:
    call = ["export", str(tmp_path / "w"), "--locator-run", str(tmp_path), "--segmentation-run", str(tmp_path)]
    assert "has been trained" in str(CliRunner().invoke(app, call).exception)
