"""Rows are kept, as long as the lengths in them are by the calibration that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.biometry.calibration import NAME
from tests.support.made_up_quality import made_up_rows
from tests.support.networks import write_tiny_weights
from tests.support.tiny_subjects import write_balls
from training.confidence import collect
from training.confidence.collect import rows_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_tiny_weights(tmp_path / "weights")


@pytest.fixture
def atlases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labelled subjects, of which rows are made up."""
    row = made_up_rows(1, each=1)[0]
    monkeypatch.setattr(collect, "_row", lambda name, *_: collect.replace(row, name=name))
    return write_balls(tmp_path / "atlases", ("sub-a", "sub-b"), side=8)


def made(atlases: Path, weights: Path) -> list[bool]:
    return [new for _, new in collect.collect(atlases, weights, (), 0)]


def test_rows_are_made_again_once_lengths_are_calibrated_anew(atlases: Path, weights: Path) -> None:
    assert made(atlases, weights) == [True, True]
    assert made(atlases, weights) == [False, False]
    (weights / NAME).write_text("one")
    assert made(atlases, weights) == [True, True]
    assert made(atlases, weights) == [False, False]
    (weights / NAME).write_text("another")
    next(iter(collect.collect(atlases, weights, (), 0)))
    assert made(atlases, weights) == [False, True]


def test_rows_of_before_calibrations_were_told_are_kept(atlases: Path, weights: Path) -> None:
    made(atlases, weights)
    path = rows_file(atlases, weights)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["calibration"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (weights / NAME).write_text("one")
    assert made(atlases, weights) == [False, False]
