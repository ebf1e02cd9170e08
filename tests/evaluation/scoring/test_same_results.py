"""Teams that handed in the same are named."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluation.scoring.case_task import CaseResult, Outcome
from evaluation.scoring.same_results import same_results
from evaluation.scoring.score import score
from tests.support.small_brains import write_team, write_truth

TEAMS = ("a", "b", "c")


def result(*labels: str, lengths: tuple[float, ...] = ()) -> CaseResult:
    given = lengths or tuple(float(10 + t) for t in range(len(labels)))
    outcomes = [Outcome(labels=own, lengths=np.full(5, value)) for own, value in zip(labels, given, strict=True)]
    return CaseResult(tuple(outcomes))


def test_teams_that_differ_are_not_named() -> None:
    assert same_results(TEAMS, [result("x", "y", "z")]) == []


def test_what_was_not_measured_is_not_the_same() -> None:
    nothing = (np.nan, np.nan, np.nan)
    assert same_results(TEAMS, [result("", "", "", lengths=nothing)]) == []


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["xxy", "xxz"], ["a and b have the same label maps in 2 of 2 cases"]),
        (["xyx", "xyz"], ["a and c have the same label maps in 1 of 2 cases"]),
        (["xxx", "xyy"], ["a, b and c have the same label maps in 1 of 2 cases",
                          "b and c have the same label maps in 1 of 2 cases"]),
    ],
)  # fmt: skip
def test_sets_of_teams_with_the_same_maps_are_named(labels: list[str], said: list[str]) -> None:
    assert same_results(TEAMS, [result(*each) for each in labels]) == said


def test_the_same_lengths_are_named_too() -> None:
    assert same_results(TEAMS, [result("x", "y", "z", lengths=(1, 2, 1))]) == [
        "a and c have the same lengths in 1 of 1 cases"
    ]


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    truth = write_truth(tmp_path / "truth", 2)
    write_team(tmp_path / "teams" / "first", 2, shift=0.7, factor=1.1)
    write_team(tmp_path / "teams" / "other", 2, shift=1.4, factor=1.2)
    return truth, tmp_path / "teams"


def warnings(cohort: tuple[Path, Path], **more: Path) -> list[str]:
    _, messages = score(*cohort, jobs=1, **more)
    return [line for line in messages.warnings if "the same" in line]


def test_a_copied_submission_is_named_on_the_report(cohort: tuple[Path, Path]) -> None:
    assert warnings(cohort) == []
    shutil.copytree(cohort[1] / "first", cohort[1] / "second")
    assert warnings(cohort) == [
        "first and second have the same label maps in 2 of 2 cases",
        "first and second have the same lengths in 2 of 2 cases",
    ]


def test_a_copy_that_was_packed_anew_is_named(cohort: tuple[Path, Path]) -> None:
    shutil.copytree(cohort[1] / "first", cohort[1] / "second")
    for path in (cohort[1] / "second").rglob("*_dseg.nii.gz"):
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7))
    for path in (cohort[1] / "second").rglob("*_biom.csv"):
        path.write_text(path.read_text().replace("\t", ","))
    assert len(warnings(cohort)) == 2


def test_a_copy_is_named_from_what_was_kept(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(cohort[1] / "first", cohort[1] / "second")
    assert warnings(cohort, cache=tmp_path / "kept") == warnings(cohort, cache=tmp_path / "kept")
    assert len(warnings(cohort, cache=tmp_path / "kept")) == 2
