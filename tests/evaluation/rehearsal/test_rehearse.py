"""The call of ``feta-evaluate rehearse``, as far as no engine is needed (tests/container has the rest)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evaluation import cli
from evaluation.commands.rehearsal import _rules
from evaluation.harness.roster import Convention
from evaluation.rehearsal.rehearse import cases_in
from tests.support.small_brains import write_truth

ROSTER = """
limits: {case_seconds: 7}
gpus: ["0", "1"]
helper_image: small
phases: [{name: test}]
teams: [{name: theirs, image: old, convention: 2024-case, exceptions: {root: true}}, {name: other, image: x}]
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "CASES: name a folder of volumes, or --phantoms, and not both"),
        (("CASES", "--phantoms"), "CASES: name a folder of volumes, or --phantoms, and not both"),
        (("CASES", "--convention", "2025"), "--convention: '2025' is none; it must be one of folder, folder-all"),
        (("CASES", "--team", "a"), "--team: the roster has no team 'a'; it needs --roster"),
        (("CASES", "--output", "CASES"), "is not empty"),
    ],
)
def test_a_call_that_cannot_be_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cases = str(write_truth(tmp_path / "cases", 1))
    given = [cases if argument == "CASES" else argument for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", "rehearse", "image", *given])
    with pytest.raises(SystemExit) as end:
        cli.main()
    error = capsys.readouterr().err
    assert (end.value.code, error.count("\n")) == (2, 1)
    assert said in error


def test_the_organizers_rules_hold_for_ones_own_image(tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").write_text(ROSTER)
    rules = _rules("mine:2", None, tmp_path / "roster.yaml", "theirs", None)
    (team,) = rules.teams
    assert (team.image, team.convention, team.exceptions.root) == ("mine:2", Convention.CASE_2024, True)
    assert (rules.limits.case_seconds, rules.gpus, rules.helper_image) == (7, ("0",), "small")


def test_without_a_roster_no_other_image_is_needed_and_no_name_is_anothers() -> None:
    rules = _rules("mine:2", "2021", None, None, None)
    assert (rules.helper_image, rules.teams[0].convention, rules.gpus) == ("mine:2", Convention.CASE_2021, ())
    assert rules.teams[0].name != _rules("mine:2", None, None, None, None).teams[0].name


def test_a_simulated_cohort_is_named_by_its_folder(tmp_path: Path) -> None:
    assert cases_in(tmp_path) == tmp_path
    for part in ("input", "truth"):
        (tmp_path / part).mkdir()
    assert cases_in(tmp_path) == tmp_path / "input"
