"""Painted heads, and the training of brain extraction on balls that take seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from feta.errors import FetaError
from inference.networks.weights import load_network, read_model
from tests.support.tiny_subjects import write_balls
from training.cli import app
from training.commands.common import VALIDATION
from training.imaging.random_source import RandomSource
from training.scanner.case import largest_piece
from training.scanner.surroundings import SurroundingsSettings
from training.synthesis.painted_heads import VIEW_MM, PaintedHead, crop_field_of_view, generate_head_sample, read_heads
from training.synthesis.settings import MaskSettings, SpatialSettings, SynthesisSettings

SYNTHESIS = SynthesisSettings(24, 4.0, SpatialSettings(shift=0.0), MaskSettings(masked=0.0))
TINY = {
    "network": {"outputs": 2, "widths": [2, 2, 2], "blocks": [1, 1, 1], "heads": 1},
    "synthesis": {"size": 16, "spacing": 6.0},
    "loop": {"steps": 2, "validate_every": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_balls(tmp_path_factory.mktemp("heads"), ("sub-a", "sub-b"), side=24, spacing=4.0)


@pytest.fixture(scope="module")
def head(folder: Path) -> PaintedHead:
    return read_heads(folder)[0]


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_a_sample_of_a_head_is_a_function_of_its_seed(head: PaintedHead, seed: int) -> None:
    one, other = (generate_head_sample(head, SYNTHESIS, seed) for _ in range(2))
    assert torch.equal(one.image, other.image)
    assert torch.equal(one.labels, other.labels)


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_labels_lie_where_the_subject_has_them(head: PaintedHead, seed: int) -> None:
    made = generate_head_sample(head, SYNTHESIS, seed)
    # The ball's outer radius is 14 voxels of 4 mm, less along x, and its box ends at 46 mm.
    reach = (made.atlas * torch.tensor([1.2, 1.0, 1.0])).norm(dim=-1)
    assert bool((reach[made.labels > 0] < 60).all())
    assert bool((made.labels > 0)[reach < 40].all())


def test_an_image_that_ends_does_so_beyond_the_least_half_side_alone() -> None:
    image = torch.ones(1, 40, 40, 40)
    ended = [crop_field_of_view(RandomSource(seed), image, 6.0) for seed in range(40)]
    place = 6.0 * (torch.stack(torch.meshgrid(*[torch.arange(40.0) - 19.5] * 3, indexing="ij"))).norm(dim=0)
    within = place < VIEW_MM[0] - 12 * 3**0.5
    assert all(bool((one[0][within] == 1).all()) for one in ended)
    assert any(bool((one == 0).any()) for one in ended)
    assert any(bool((one == 1).all()) for one in ended)


def test_surroundings_differ_from_head_to_head_and_stay_possible() -> None:
    from training.synthesis.painted_heads import varied

    drawn = [varied(SurroundingsSettings(), np.random.default_rng(seed)) for seed in range(30)]
    assert len({one.bone for one in drawn}) == 30
    assert all(0 < one.fluid_share < 1 and one.pocket_mm <= one.closing_mm for one in drawn)


def test_a_head_keeps_its_largest_piece() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[:3, :3, :3], labels[5, 5, 5] = 4, 2
    assert set(np.unique(largest_piece(labels))) == {0, 4}
    assert (largest_piece(labels) > 0).sum() == 27


def test_extraction_is_trained_and_exported_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    write_balls(tmp_path / "atlases", ("sub-c", VALIDATION[0]), side=24, spacing=4.0)
    config, weights = tmp_path / "extraction.yaml", tmp_path / "weights"
    config.write_text(yaml.safe_dump(TINY))
    run = str(tmp_path / "run")
    call = ["fit", "brain-extraction", str(tmp_path / "atlases"), run, "--config", str(config), "--heads", str(folder)]
    assert CliRunner().invoke(app, [*call, "--threads", "1"], catch_exceptions=False).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert 0 <= float(rows[-1]["brain_dice"]) <= 1
    weights.mkdir()
    call = ["export", "brain-extraction", str(weights), run]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    described = yaml.safe_load((weights / "model.yaml").read_text())
    (weights / "model.yaml").write_text(
        yaml.safe_dump(described | {"locator": described["extraction"], "segmentation": [described["extraction"]]})
    )
    model = read_model(weights)
    assert model.brain_extraction is not None
    assert load_network(model.brain_extraction).settings.outputs == 2


def test_real_stacks_without_heads_to_surround_are_one_line(tmp_path: Path) -> None:
    write_balls(tmp_path / "atlases", ("sub-c",), side=24, spacing=4.0)
    call = ["fit", "brain-extraction", str(tmp_path / "atlases"), str(tmp_path / "run"), "--stacks", str(tmp_path)]
    result = CliRunner().invoke(app, call)
    assert isinstance(result.exception, FetaError)
    assert "name some with --heads" in str(result.exception)
