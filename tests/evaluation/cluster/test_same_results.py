"""A run on a cluster comes to what it comes to on one machine, to the last byte."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from evaluation.cluster.connection import Address
from evaluation.cluster.machines import Cluster
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.record import ENCRYPTED, read_run_record
from evaluation.harness.roster import Convention, ResourceLimits, Roster, Team
from evaluation.harness.run import run
from feta.files import read_text
from tests.support.made_up_engine import MadeUpEngine
from tests.support.rivals import files
from tests.support.small_brains import write_truth

TEAMS = (
    Team("a", "good:1"),
    Team("b", "crash:2"),
    Team("c", "good:3", Convention.FOLDER_ALL),
    Team("d", "silent:4"),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_truth(tmp_path_factory.mktemp("data") / "input", 3)


def comes_to(output: Path, rows: list[CaseRow]) -> tuple[object, ...]:
    found = files(output)
    kept = {n: d for n, d in found.items() if n.startswith(("submissions", "logs")) and "runs.json" not in n}
    return kept, [(row.team, row.case, row.state, row.seconds, row.exit_code) for row in rows]


@pytest.mark.parametrize("send", [False, True])
@pytest.mark.parametrize("team_seconds", [float("inf"), 3.0])
def test_it_is_the_same(cohort: Path, tmp_path: Path, address: Address, send: bool, team_seconds: float) -> None:
    """Also where a team's time is used up: which case is then not begun doesn't depend on who was faster."""
    roster = Roster(TEAMS, limits=ResourceLimits(team_seconds=team_seconds))
    told: list[CaseRow] = []
    here = run(roster, cohort, tmp_path / "here", lambda rows: None)
    there = run(roster, cohort, tmp_path / "there", told.extend, machines=partial(Cluster, address, send=send))
    assert comes_to(tmp_path / "there", there) == comes_to(tmp_path / "here", here)
    assert sorted(row.case for row in told) == sorted(row.case for row in there)
    states = {row.state for row in there}
    assert (CaseState.OUT_OF_TIME in states) is (team_seconds == 3.0)
    assert (MadeUpEngine.containers, MadeUpEngine.volumes) == ({}, {})


def test_the_record_says_where_it_ran_and_how_safely(cohort: Path, tmp_path: Path, address: Address) -> None:
    run(Roster(TEAMS), cohort, tmp_path / "out", lambda rows: None, machines=partial(Cluster, address))
    (place,) = read_run_record(tmp_path / "out" / "submissions").places
    assert (place.engine, place.lacks, place.way) == ("made up", (), ENCRYPTED)
    assert "I am good:1" in read_text(next((tmp_path / "out" / "logs" / "a").iterdir()))
