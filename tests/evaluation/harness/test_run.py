"""What a run is given before its first container: accounts, limits, images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.context import RunContext, RunFolders
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.engine_offers import EngineOffers, Wall
from evaluation.harness.roster import ResourceLimits, Roster
from evaluation.harness.run import _context, _images
from evaluation.harness.state import RunState
from evaluation.harness.workers import Machines, ThisMachine
from feta.errors import FetaError
from tests.support.made_up_roster import roster, team

IDS = ["c1", "c2"]
PLENTY = EngineOffers(cpus=2, memory=1 << 40)


def engine(offers: EngineOffers = PLENTY, gone: bool = False) -> Machines:
    def image_id(name: str) -> str:
        if gone and name != "helper":
            raise GoneError(name, "no such image here")
        return f"id of {name}"

    made = SimpleNamespace(engines=lambda: [("here", offers)], image_id=image_id)
    made.at_once = lambda of, machine: ThisMachine.at_once(cast(Any, made), of, machine)
    return cast(Machines, made)


def begun(tmp_path: Path, of: Roster) -> RunState:
    state, images = RunState(RunFolders(tmp_path).state), {t.name: f"id of {t.image}" for t in of.teams}
    state.create("run 1", of, images, IDS, "input")
    state.check(of, images, IDS, "input")
    return state


def context(tmp_path: Path, of: Roster, offers: EngineOffers = PLENTY) -> RunContext:
    return _context(engine(offers), of, RunFolders(tmp_path), begun(tmp_path, of), {}, ())


def test_a_team_keeps_its_account_when_others_come_in(tmp_path: Path) -> None:
    first = context(tmp_path, roster(team("b"), team("a"))).accounts
    later = context(tmp_path, roster(team("new"), team("a"), team("b"))).accounts
    assert later == {**first, "new": max(first.values()) + 1}
    assert len(set(later.values())) == 3


def test_root_is_root_by_exception_alone(tmp_path: Path) -> None:
    of = roster(team("a"), team("b", root=True))
    made = context(tmp_path, of)
    assert [made.user(each) for each in of.teams] == [made.accounts["a"], 0]


def test_more_processors_than_there_are_are_not_asked_for(tmp_path: Path) -> None:
    assert context(tmp_path, roster(limits=ResourceLimits(cpus=4))).limits.cpus == 2


@pytest.mark.parametrize(
    ("offers", "said"),
    [
        (EngineOffers(memory=2 << 30), "here: 2 containers may use 16384 MB each, it has 2048 MB"),
        (EngineOffers(memory=1 << 40, cpus=2), "here: has 2 processors: every container gets that many, not 4"),
        (EngineOffers(memory=1 << 40, seccomp=False), "has no wall system-calls"),
    ],
)
def test_what_the_engine_lacks_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, offers: EngineOffers, said: str
) -> None:
    context(tmp_path, roster(team("a"), team("b"), parallel=2, isolation=(Wall.NETWORK,)), offers)
    (line,) = caplog.messages
    assert said in line


def test_a_wall_that_the_roster_promises_and_the_engine_lacks_is_refused(tmp_path: Path) -> None:
    lacking = replace(PLENTY, no_limits=frozenset({Wall.MEMORY}), engine="Podman 4, without root")
    with pytest.raises(FetaError, match="Podman 4, without root can't keep what the roster promises: memory"):
        context(tmp_path, roster(), lacking)


def test_an_engine_that_has_everything_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context(tmp_path, roster(team("a"), team("b"), parallel=2), replace(PLENTY, cpus=4))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("ended", "chosen", "again", "needed"),
    [
        (("a", "b"), {"a", "b"}, False, False),
        (("a",), {"a", "b"}, False, True),
        (("a",), {"a"}, False, False),
        (("a", "b"), {"a"}, True, True),
    ],
)
def test_an_image_that_no_container_is_started_of_may_be_gone(
    tmp_path: Path, ended: tuple[str, ...], chosen: set[str], again: bool, needed: bool
) -> None:
    of: Any = roster(team("a"), team("b"))
    begun(tmp_path, of).finish([CaseRow(name, case, CaseState.DONE) for name in ended for case in IDS])
    if needed:
        with pytest.raises(GoneError):
            _images(engine(gone=True), of, RunFolders(tmp_path), chosen, again)
    else:
        found = _images(engine(gone=True), of, RunFolders(tmp_path), chosen, again)
        assert found == {"a": "id of image:1", "b": "id of image:1"}
