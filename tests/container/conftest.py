"""Images built once, a model small enough for a test, and a small cohort."""

from __future__ import annotations

from pathlib import Path

import images
import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml

from inference.locator import OUTPUTS
from inference.network import NetworkSettings, ResidualUNet
from inference.weights import save_network

ENGINE = images.engine_answers()
NO_ENGINE = "needs a container engine: ../shared/tools/docker-engine starts one"


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
        return save_network(ResidualUNet(settings), folder / name, spacing, settings)

    model = {"locator": entry("l.safetensors", OUTPUTS, 4.0), "segmentation": [entry("s.safetensors", 8, 2.0)]}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    folder.chmod(0o755)
    return folder


def write_image(path: Path, seed: int = 0, *, side: int = 40) -> Path:
    """A textured ball in the dark, 2 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    z, y, x = np.mgrid[:side, :side, :side] - (side - 1) / 2
    inside = x**2 + y**2 + z**2 < (0.45 * side) ** 2
    texture = 100 + 30 * np.sin(x / 3 + seed) * np.cos(y / 4) + np.random.default_rng(seed).normal(0, 3, inside.shape)
    image = sitk.GetImageFromArray(np.where(inside, texture, 0).astype(np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetOrigin((-30.0, 12.0, 7.0))
    sitk.WriteImage(image, str(path))
    return path


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
