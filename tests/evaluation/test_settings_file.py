from pathlib import Path

import pytest

from evaluation.settings import read_settings
from feta.errors import FetaError
from training.locator import LocatorSettings
from training.segmentation import SegmentationSettings


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return path


def test_what_the_file_does_not_name_keeps_its_default(tmp_path: Path) -> None:
    settings = read_settings(SegmentationSettings, _write(tmp_path, "loop:\n  steps: 7\n  learning_rate: 1\n"))
    assert settings.loop.steps == 7
    assert settings.loop.learning_rate == 1.0
    assert settings.synthesis == SegmentationSettings().synthesis


def test_the_command_line_wins(tmp_path: Path) -> None:
    path = _write(tmp_path, "loop:\n  steps: 7\n")
    assert read_settings(SegmentationSettings, path, {"loop": {"steps": 9}}).loop.steps == 9


@pytest.mark.parametrize(
    "text",
    [
        "loop:\n  stepz: 3",
        "loop: 3",
        "loop:\n  steps: many",
        "loop:\n  steps: true",
        "network:\n  heads: 9",
        "a: [",
        "3",
    ],
)
def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(FetaError, match=r"s\.yaml") as caught:
        read_settings(SegmentationSettings, _write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_the_shipped_settings_are_valid() -> None:
    folder = Path(__file__).parents[2] / "training" / "configs"
    assert read_settings(SegmentationSettings, folder / "segmentation.yaml").network.outputs == 8
    assert read_settings(LocatorSettings, folder / "locator.yaml").network.outputs == 12
