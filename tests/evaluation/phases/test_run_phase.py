"""One phase's call, as far as no engine is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from evaluation import cli
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.context import RunFolders
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.roster import Phase, Roster, Team
from evaluation.harness.state import RunState
from evaluation.harness.workers import Machines
from evaluation.phases.history import LOCK
from evaluation.phases.run_phase import Appeal, _waiting, run_phase, take
from feta.errors import FetaError
from feta.lock import locked
from tests.support.made_up_history import NOON, entry, hand_in, new_history
from tests.support.small_brains import write_truth

WITHOUT = "teams: [{name: a, image: i}]\n"
WITH = WITHOUT + "phases: [{name: test}]\n"


def engine(*gone: str) -> Machines:
    def image_id(name: str) -> str:
        if name in gone:
            raise GoneError(name, "no such image here")
        return name

    return cast(Machines, SimpleNamespace(image_id=image_id, close=lambda: None))


def here(_roster: Roster, _folders: RunFolders) -> Machines:
    return engine()


def test_what_is_finished_is_left_and_what_is_not_goes_on(tmp_path: Path) -> None:
    done, begun, new = (entry("a", n) for n in (1, 2, 3))
    state = RunState(RunFolders(tmp_path).state)
    roster = Roster((done.as_team(), begun.as_team()))
    state.create("run", roster, {"a-1": "1", "a-2": "2"}, ["c1", "c2"], "input")
    state.finish([CaseRow("a-1", case, CaseState.CRASHED) for case in ("c1", "c2")])
    state.finish([CaseRow("a-2", "c1", CaseState.DONE)])
    assert _waiting(engine(done.image_id), [done, begun, new], tmp_path) == (["a-2", "a-3"], [], [done, begun, new])


def test_an_image_that_is_gone_before_it_ran_hinders_no_other(tmp_path: Path) -> None:
    one, two = entry("a", 1), entry("b", 1)
    waiting, lines, runnable = _waiting(engine(one.image_id), [one, two], tmp_path)
    assert (waiting, runnable) == (["b-1"], [two])
    assert lines[0].startswith("a-1: its image registry/secret:1")


def test_what_comes_while_a_phase_is_run_is_taken_and_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline may be in those hours."""
    phase, roster = Phase("test"), Roster((Team("a", "1"),))
    with locked(tmp_path / "test" / LOCK):  # as another process
        assert [entry.name for entry in take(roster, phase, tmp_path, machines=here).taken] == ["a-1"]
        with pytest.raises(FetaError, match="another run of this phase is at work; what was taken is on record"):
            run_phase(roster, phase, tmp_path, tmp_path, lambda rows: None, machines=here)
        begun: list[str] = []
        monkeypatch.setattr("evaluation.phases.run_phase.run", lambda *_, only, machines: begun.extend(only) or [])
        take(roster, Phase("other"), tmp_path, machines=here)
        run_phase(roster, Phase("other"), tmp_path, tmp_path, lambda rows: None, machines=here)
    run_phase(roster, phase, tmp_path, tmp_path, lambda rows: None, machines=here)
    assert begun == ["a-1", "a-1"]


def test_an_appeal_that_was_interrupted_goes_on_by_the_same_call(tmp_path: Path) -> None:
    phase, roster = Phase("test"), Roster((Team("a", "1"),))
    assert take(roster, phase, tmp_path, machines=here).taken
    for appeal, number in ((Appeal("a", None, "Chair"), 2), (Appeal("a", 1, "Chair "), 0), (Appeal("a", 1, "D."), 3)):
        taken = take(roster, phase, tmp_path, appeal=appeal, machines=here).taken
        assert [entry.number for entry in taken] == ([number] if number else [])
    folders = RunFolders(tmp_path / "test")
    folders.root.mkdir()
    entries = [entry.as_team() for entry in new_history(tmp_path).entries("test")]
    RunState(folders.state).create("run", Roster(tuple(entries)), {team.name: "1" for team in entries}, ["c"], "input")
    assert not take(roster, phase, tmp_path, appeal=Appeal("a", 1, "D."), machines=here).taken
    RunState(folders.state).finish([CaseRow("a-3", "c", CaseState.DONE)])
    assert take(roster, phase, tmp_path, appeal=Appeal("a", 1, "D."), machines=here).taken[0].again_of == 3


@pytest.mark.parametrize(
    ("roster", "more", "said"),
    [
        (WITH, (), "--phase: the roster has phases, so that one must be named; it has test"),
        (WITHOUT, ("--phase", "test"), "--phase: the roster has no phase 'test'; it has none"),
        (WITHOUT, ("--word", "Chair"), "--word: is for a roster with phases"),
        (WITH, ("--phase", "test", "--again"), "--again: is for one team's submission"),
        (WITH, ("--phase", "test", "--word", "Chair"), "--word: is for what is run again"),
        (WITH, ("--phase", "test", "--team", "b"), "--team: the roster has no team 'b'"),
    ],
)
def test_a_call_that_cannot_be_is_one_line(
    tmp_path: Path, roster: str, more: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "roster.yaml").write_text(roster)
    input_ = write_truth(tmp_path / "input", 1)
    arguments = ["run", str(tmp_path / "roster.yaml"), str(input_), str(tmp_path / "out"), *more]
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"feta-evaluate: {said}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "history.sqlite").exists()


def test_status_of_a_challenge_names_its_phases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(new_history(tmp_path), Phase("test"), NOON, a="1")
    monkeypatch.setattr(sys, "argv", ["feta-evaluate", "status", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "holds the phases of a challenge" in capsys.readouterr().err
