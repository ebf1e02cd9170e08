"""Images built once, a model small enough for a test, and a small cohort."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from inference.networks.residual_unet import NetworkSettings, ResidualUNet
from inference.segmentation.locator import OUTPUTS
from tests.support import images
from tests.support.networks import write_network
from tests.support.textured_ball import write_image

ENGINE = images.engine_answers()
NO_ENGINE = "needs a container engine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an engine."""
    for item in items:
        item.add_marker(pytest.mark.skipif(not ENGINE, reason=NO_ENGINE))


@pytest.fixture(scope="session")
def inference_image() -> str:
    return images.build("inference")


@pytest.fixture(scope="session")
def evaluation_image() -> str:
    return images.build("evaluation")


@pytest.fixture(scope="session")
def training_image() -> str:
    return images.build("training")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained networks with two channels a level: the tests of calls, users and bad input need no good label map."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")

    def entry(name: str, outputs: int, spacing: float) -> dict:
        settings = NetworkSettings(outputs=outputs, widths=(2, 2, 2), blocks=(1, 1, 1), heads=1)
        return write_network(ResidualUNet(settings), folder / name, spacing, settings)

    model = {"locator": entry("l.safetensors", OUTPUTS, 4.0), "segmentation": [entry("s.safetensors", 8, 2.0)]}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BIDS tree: sub-001 with two reconstructions, sub-002 with one, and the table of ages."""
    root = tmp_path_factory.mktemp("cohort")
    for seed, name in enumerate(images.CASES):
        write_image(root / f"{name}.nii.gz", seed)
    (root / "participants.tsv").write_text(
        "participant_id\tPathology\tGestational age\nsub-001\tNeurotypical\t28.3\nsub-002\tPathological\t24\n"
    )
    root.chmod(0o755)
    return root


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An empty folder of its own for results, owned by who runs the tests."""
    folder = tmp_path / "results of a run"
    folder.mkdir()
    return folder
