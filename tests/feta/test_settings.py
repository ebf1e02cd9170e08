from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.settings import read_settings
from training.tasks.locator import LocatorSettings
from training.tasks.segmentation import SegmentationSettings


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
        "loop: {steps: 3}\nloop: {steps: 4}",
        "loop: {steps: 3, steps: 4}",
        "a: &a [x, x]\nloop: {steps: *a}",
        "b: " + "[" * 5000,
        "loop:\n  steps: &a [*a]",
        "loop:\n  steps: " + "".join(f"&a{i} [" for i in range(3)) + "1]]]",
    ],
)
def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(FetaError, match=r"s\.yaml") as caught:
        read_settings(SegmentationSettings, _write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_aliases_of_aliases_are_told_in_a_short_line(tmp_path: Path) -> None:
    """Nine to the tenth values, written out."""
    bomb = "\n".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 11))
    text = f"x0: &x0 [a]\n{bomb}\nloop:\n  steps: *x10\n"
    text = "loop:\n  steps:\n" + "".join(f"    {line}\n" for line in text.splitlines()[:-2])
    with pytest.raises(FetaError) as caught:
        read_settings(SegmentationSettings, _write(tmp_path, text))
    assert len(str(caught.value)) < 1000


def test_a_mapping_may_be_merged_into_another(tmp_path: Path) -> None:
    path = _write(tmp_path, "loop: &l {steps: 7}\nnetwork: {<<: {heads: 1}}\n")
    assert read_settings(SegmentationSettings, path).loop.steps == 7


def test_the_shipped_settings_are_valid() -> None:
    folder = Path(__file__).parents[2] / "training" / "configs"
    assert read_settings(SegmentationSettings, folder / "segmentation.yaml").network.outputs == 8
    assert read_settings(LocatorSettings, folder / "locator.yaml").network.outputs == 12
