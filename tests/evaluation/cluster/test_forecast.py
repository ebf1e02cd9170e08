"""What a run would take: figures by hand, and nothing started."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.cluster.connection import Address
from evaluation.cluster.forecast import Forecast, forecast, times
from evaluation.cluster.machines import Cluster
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.engine_offers import EngineOffers, Wall
from evaluation.harness.roster import Convention, ResourceLimits, Roster, Team
from evaluation.harness.run import run
from evaluation.harness.workers import ThisMachine
from tests.support.made_up_engine import MadeUpEngine
from tests.support.small_brains import write_truth

ROSTER = Roster(
    (Team("a", "good:1"), Team("b", "good:2", Convention.FOLDER_ALL)), limits=ResourceLimits(case_seconds=60)
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_truth(tmp_path_factory.mktemp("data") / "input", 3)


def of(cohort: Path, output: Path, roster: Roster = ROSTER) -> Forecast:
    return forecast(roster, cohort, output, ThisMachine)


def test_before_the_first_case_the_longest_is_told_and_nothing_is_touched(cohort: Path, tmp_path: Path) -> None:
    """Two teams of three cases of a minute, one after another."""
    found = of(cohort, tmp_path / "out")
    assert found.problems == ()
    assert found.lines[0] == "2 teams x 3 cases: 4 containers to be run"
    assert "time: at most 6:00, with 1 containers at the same time" in found.lines
    assert any("it is told by the first cases" in line for line in found.lines)
    assert not (tmp_path / "out").exists()
    assert MadeUpEngine.started == []


def test_after_some_cases_the_rest_is_told_by_them(cohort: Path, tmp_path: Path) -> None:
    """Each made-up container takes two seconds."""
    run(ROSTER, cohort, tmp_path / "out", lambda rows: None, only=("a",))
    found = of(cohort, tmp_path / "out")
    assert found.lines[0] == "2 teams x 3 cases: 1 containers to be run, 3 cases have ended before"
    assert "time: at most 3:00, with 1 containers at the same time" in found.lines
    assert "time: likely 0:06, if the rest is as the 3 cases that ended" in found.lines


def test_the_results_of_a_team_that_came_in_later_take_room_too(cohort: Path, tmp_path: Path) -> None:
    """As much a case as those that are done; a made-up label map is small, so that files are made larger here."""
    run(replace(ROSTER, teams=ROSTER.teams[:1]), cohort, tmp_path / "out", lambda rows: None)
    for path in (tmp_path / "out" / "submissions" / "a").rglob("*_dseg.nii.gz"):
        path.write_bytes(bytes(2 << 20))
    assert any(line.startswith("disk: likely 6 MB for results") for line in of(cohort, tmp_path / "out").lines)


@given(
    sizes=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=5),
    at_once=st.integers(1, 9),
)
def test_no_order_of_handing_out_takes_longer_than_the_longest(sizes: list[list[int]], at_once: int) -> None:
    """Against a plain simulation of workers that take the next job when they are free."""
    waiting = {str(team): jobs for team, jobs in enumerate(sizes)}
    (said, _) = times(waiting, [], ResourceLimits(case_seconds=60), at_once, one_by_one=False)
    minutes, seconds = said.split("at most ")[1].split(",")[0].rsplit(":", 1)
    hours, _, minutes = minutes.rpartition(":")
    told = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    free = [0.0] * at_once
    for job in (job for jobs in sizes for job in jobs):
        free[free.index(min(free))] += 60 * job
    assert max(free) <= told + 1


def test_a_team_s_own_limit_bounds_its_time() -> None:
    rows = [CaseRow("a", "1", CaseState.DONE, seconds=50.0)]
    limits = ResourceLimits(case_seconds=60, team_seconds=80)
    (worst, likely) = times({"a": [1, 1]}, rows, limits, 4, one_by_one=False)
    assert "at most 0:30" in worst
    assert "likely 0:08" in likely  # what is left of it, 30 s, shared out to four
    assert math.isinf(ResourceLimits().team_seconds)


@pytest.mark.parametrize(
    ("offers", "said"),
    [
        (EngineOffers(cpus=2), "2 processors: containers get that many, not 4"),
        (EngineOffers(memory=1 << 30), "may use 16384 MB at the same time, it has 1024"),
        (EngineOffers(no_limits=frozenset({Wall.SWAP}), engine="X 1"), "X 1 can't keep what the roster promises: swap"),
    ],
)
def test_what_the_roster_asks_for_and_the_engine_lacks(
    cohort: Path, tmp_path: Path, engine: type[MadeUpEngine], offers: EngineOffers, said: str
) -> None:
    engine.said = offers
    assert any(said in line for line in of(cohort, tmp_path / "out").problems)


def test_a_wall_that_is_not_promised_is_named_and_is_no_problem(
    cohort: Path, tmp_path: Path, engine: type[MadeUpEngine]
) -> None:
    engine.said = EngineOffers(cpus=64, memory=1 << 40, no_limits=frozenset({Wall.SWAP}), engine="X 1")
    isolation = tuple(wall for wall in Wall if wall is not Wall.SWAP)
    found = of(cohort, tmp_path / "out", replace(ROSTER, isolation=isolation))
    assert "container engine: X 1, without swap: the report says so" in found.lines
    assert found.problems == ()


def test_images_to_load_are_named(cohort: Path, tmp_path: Path, engine: type[MadeUpEngine]) -> None:
    engine.missing.update({"good:2", ROSTER.helper_image})
    problems = of(cohort, tmp_path / "out").problems
    assert [line.split(":")[0] for line in problems] == ["to load", "to load"]


def test_an_engine_that_doesn_t_answer_is_a_problem_and_the_rest_is_told(
    cohort: Path, tmp_path: Path, engine: type[MadeUpEngine]
) -> None:
    engine.problem = "doesn't answer"
    found = of(cohort, tmp_path / "out")
    assert "container engine: doesn't answer" in found.problems[0]
    assert any(line.startswith("time: at most") for line in found.lines)


def test_a_cluster_s_workers_are_counted_and_no_file_is_left(cohort: Path, tmp_path: Path, address: Address) -> None:
    """Two workers with two places each; a team's jobs are shared out where its time has no end."""
    found = forecast(replace(ROSTER), cohort, tmp_path / "out", partial(Cluster, address))
    assert any("with 4 containers at the same time" in line for line in found.lines)
    assert found.problems == ()
    assert not (tmp_path / "out").exists()
