"""Teams, cases and jobs for tests of the runner that need no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluation.harness.conventions import ContainerJob, make_jobs
from evaluation.harness.roster import Convention, Exceptions, Roster, Team
from feta.cases import Case, find_cases
from tests.support.small_brains import write_truth


def team(name: str = "a team", convention: str = "folder", **exceptions: Any) -> Team:
    return Team(name, "image:1", Convention(convention), Exceptions(**exceptions))


def roster(*teams: Team, **more: Any) -> Roster:
    return Roster(teams or (team(),), **more)


def cases(root: Path, count: int = 2) -> tuple[Case, ...]:
    return find_cases(write_truth(root, count)).cases


def first_job(root: Path, convention: str, **exceptions: Any) -> ContainerJob:
    return make_jobs(team(convention=convention, **exceptions), cases(root))[0]
