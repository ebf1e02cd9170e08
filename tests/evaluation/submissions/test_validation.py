"""What a participant is told before the deadline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.submissions.validation import validate
from feta.errors import FetaError
from feta.volumes import write_label_map
from tests.support.hostile import ACCEPTED, REJECTED, TABLES
from tests.support.small_brains import brain, volume, write_extras, write_team, write_truth

NAME = "sub-001_rec-mial"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The input as participants have it; it also holds the truth, which is never looked at."""
    return write_truth(tmp_path / "input", 2)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    return write_team(tmp_path / "team", 2)


def test_nothing_wrong(images: Path, team: Path) -> None:
    verdict = validate(team, images)
    assert (verdict.problems, verdict.messages, verdict.cases) == ((), (), 2)


def test_what_people_take_home_is_neither_a_problem_nor_worth_a_word(images: Path, team: Path) -> None:
    before = validate(team, images)
    write_extras(team)
    assert validate(team, images) == before


@pytest.mark.parametrize("name", [n for n in REJECTED if n != "hard link to the truth"])
def test_what_would_be_rejected(images: Path, team: Path, name: str) -> None:
    path = team / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz"
    path.unlink()
    REJECTED[name][0](path, images / f"sub-001/anat/{NAME}_dseg.nii.gz")
    verdict = validate(team, images)
    assert verdict.problems
    assert all(len(line.splitlines()) == 1 for line in verdict.problems)
    assert any("sub-001" in line for line in verdict.problems)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_would_be_accepted(images: Path, team: Path, name: str) -> None:
    path = team / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz"
    path.unlink()
    make, remark = ACCEPTED[name]
    make(path, images / f"sub-001/anat/{NAME}_dseg.nii.gz")
    verdict = validate(team, images)
    assert verdict.problems == ()
    assert len(verdict.messages) == bool(remark)


@pytest.mark.parametrize("name", TABLES)
def test_lengths(images: Path, team: Path, name: str) -> None:
    text, survive, remark = TABLES[name]
    (team / f"sub-001/anat/{NAME}_T2w_biom.csv").write_text(text, encoding="utf-8")
    verdict = validate(team, images)
    assert bool(verdict.problems) == (survive < 5)
    lines = verdict.problems if survive < 5 else verdict.messages
    assert any(remark in line for line in lines) if remark else not verdict.messages


def test_absent_structures_are_remarked_on(images: Path, team: Path) -> None:
    labels = np.where(brain(shift=0.3) == 5, 0, brain(shift=0.3)).astype(np.uint8)
    write_label_map(team / f"sub-001/anat/{NAME}_T2w_dseg.nii.gz", volume(labels))
    verdict = validate(team, images)
    assert verdict.problems == ()
    assert verdict.messages == (f"sub-001/anat/{NAME}_T2w_dseg.nii.gz: has no cerebellum",)


def test_results_of_no_case(images: Path, team: Path) -> None:
    write_team(team, 3)
    assert len([line for line in validate(team, images).problems if "sub-003" in line]) == 2


def test_not_a_folder(images: Path, tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="not a folder"):
        validate(tmp_path / "nothing", images)
    with pytest.raises(FetaError):
        validate(images, tmp_path / "nothing")
