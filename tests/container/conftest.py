"""Images built once, a model small enough for a test, and a small cohort."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import images
from tests.support.networks import write_tiny_weights
from tests.support.textured_ball import write_image

ENGINE = images.engine_answers()
NO_ENGINE = "needs a container engine"


#: The longest files begin, so that of several processes none is left with one of them at the end.
FIRST = ("test_compose.py", "test_runner_hostile.py", "test_users.py", "test_runner_resume.py", "test_calls.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs an engine."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
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
    """The tests of calls, users and bad input need no good label map."""
    folder = write_tiny_weights(tmp_path_factory.mktemp("weights"))
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
