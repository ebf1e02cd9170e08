"""Files that are laid over the settings of the segmentation network."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.settings import read_settings
from training.engine.architectures import Kind
from training.tasks.segmentation import SegmentationSettings

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
BASE = CONFIGS / "segmentation.yaml"
ABLATIONS = sorted((CONFIGS / "ablations").glob("*.yaml"))
OVERLAYS = [*ABLATIONS, CONFIGS / "unet2d.yaml", CONFIGS / "swin_unetr.yaml"]


def test_there_are_at_most_six() -> None:
    """Five of the first recipe, and what mends external CSF since; each costs a quarter of an hour and more."""
    assert 1 <= len(ABLATIONS) <= 6


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_each_differs_from_the_base_in_one_thing(path: Path) -> None:
    base, changed = read_settings(SegmentationSettings, BASE), read_settings(SegmentationSettings, BASE, over=[path])
    # A transformer diverges at the residual U-Net's learning rate.
    same_loop = replace(base.loop, learning_rate=changed.loop.learning_rate, warmup=changed.loop.warmup)
    if changed.network.kind is Kind.SWIN_UNETR and changed.loop == same_loop:
        changed = replace(changed, loop=base.loop)
    differing = [f.name for f in fields(base) if getattr(base, f.name) != getattr(changed, f.name)]
    assert len(differing) == 1


def test_coarse_runs_differ_in_the_grid_and_the_length_of_the_run() -> None:
    over = [CONFIGS / "coarse.yaml", CONFIGS / "ablations" / "own_images.yaml"]
    settings = read_settings(SegmentationSettings, BASE, over=over)
    synthesis, loop = settings.synthesis, settings.loop
    assert (synthesis.size, synthesis.intensity.real, loop.minutes) == (64, 1.0, float("inf"))


def test_what_lies_over_wins_key_by_key_and_the_command_line_over_both(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("loop: {steps: 7, batch: 3}\nsynthesis: {artefacts: {motion: 0.9}}\n")
    (tmp_path / "b.yaml").write_text("loop: {batch: 4}\nmore: 0.0\nsynthesis: {artefacts: {ghosts: 0.8}}\n")
    given = {"loop": {"steps": 9}}
    settings = read_settings(SegmentationSettings, tmp_path / "a.yaml", given, [tmp_path / "b.yaml"])
    assert (settings.loop.steps, settings.loop.batch, settings.more) == (9, 4, 0.0)
    assert (settings.synthesis.artefacts.motion, settings.synthesis.artefacts.ghosts) == (0.9, 0.8)


@pytest.mark.parametrize(
    ("below", "above", "named"), [("x: 1", "more: 0.1", "a.yaml"), ("more: 0.1", "x: 1", "b.yaml")]
)
def test_an_error_names_the_file_that_it_stands_in(tmp_path: Path, below: str, above: str, named: str) -> None:
    (tmp_path / "a.yaml").write_text(below)
    (tmp_path / "b.yaml").write_text(above)
    with pytest.raises(FetaError, match=named):
        read_settings(SegmentationSettings, tmp_path / "a.yaml", over=[tmp_path / "b.yaml"])
