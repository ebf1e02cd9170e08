"""What a run would take, before its first container: time, disk, images, and what of the roster can't be had."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RunFolders
from evaluation.harness.conventions import make_jobs
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.engine_offers import EngineOffers, check_isolation
from evaluation.harness.roster import ResourceLimits, Roster, Team
from evaluation.harness.run import chosen_teams
from evaluation.harness.staging import cases_to_run
from evaluation.harness.state import RunState
from evaluation.harness.status import clock
from evaluation.harness.workers import Machines, unfinished
from feta.cases import Case
from feta.errors import FetaError


@dataclass(frozen=True)
class Forecast:
    """Lines to read, and what would hinder the run."""

    lines: tuple[str, ...]
    problems: tuple[str, ...]


def forecast(
    roster: Roster,
    input_: Path,
    output: Path,
    machines: Callable[[Roster, RunFolders], Machines],
    *,
    only: Sequence[str] = (),
) -> Forecast:
    """What ``evaluation.harness.run.run`` with the same arguments would take. No submission is started.

    Raises:
        FetaError: roster or input can't be used at all.
    """
    teams, cases, folders = chosen_teams(roster, only, False), cases_to_run(input_, roster), RunFolders(output)
    rows = RunState(folders.state).rows() if folders.state.is_file() and folders.state.stat().st_size else []
    waiting = {team.name: _waiting_jobs(team, cases, rows) for team in teams}
    count = sum(len(jobs) for jobs in waiting.values())
    lines = [
        f"{len(teams)} teams x {len(cases)} cases: {count} containers to be run"
        + (f", {sum(row.state.final for row in rows)} cases have ended before" if rows else "")
    ]
    problems: list[str] = []
    at_once, one_by_one = 1, True
    try:
        with closing(machines(roster, folders)) as place:
            at_once, one_by_one = place.places(roster), place.team_at_once
            problems += _lacking(place, roster, teams, cases)
            lines += [_engine(name, offers) for name, offers in place.engines()]
    except FetaError as error:
        problems.append(str(error))
    lines += times(waiting, rows, roster.limits, at_once, one_by_one=one_by_one)
    disk, short = _disk(cases, folders, rows, sum(sum(jobs) for jobs in waiting.values()))
    return Forecast((*lines, *disk), (*problems, *short))


def _engine(name: str, offers: EngineOffers) -> str:
    """What a machine has, and which walls it hasn't; those that the roster promises are among the problems, too."""
    lacks = f", without {', '.join(offers.lacks)}: the report says so" if offers.lacks else ""
    return f"{name}: {offers.engine}{lacks}"


def _waiting_jobs(team: Team, cases: Sequence[Case], rows: Sequence[CaseRow]) -> list[int]:
    """The number of cases of each container that a team still needs."""
    own = [row for row in rows if row.team == team.name]
    return [len(job.cases) for job in (unfinished(own, team, cases) if own else make_jobs(team, cases))]


def times(
    waiting: Mapping[str, Sequence[int]],
    rows: Sequence[CaseRow],
    limits: ResourceLimits,
    at_once: int,
    *,
    one_by_one: bool,
) -> list[str]:
    """The longest that the containers can take, and how long if the rest is as what has ended.

    The longest is Graham's bound for jobs that are handed out one after another to whoever is free: all of the work
    shared out evenly, and the largest piece that can't be shared.

    Args:
        waiting: team → cases of each container.
        at_once: containers at the same time.
        one_by_one: a team's containers run one after another.
    """
    ended = [row for row in rows if row.state.final and row.state is not CaseState.OUT_OF_TIME and row.seconds]
    known = [row.seconds or 0.0 for row in ended]
    worst: list[float] = []
    likely: list[float] = []
    together = one_by_one or math.isfinite(limits.team_seconds)
    for team, jobs in waiting.items():
        own = [row.seconds or 0.0 for row in ended if row.team == team] or known
        mean = min(sum(own) / len(own), limits.case_seconds) if own else math.nan
        left = limits.team_seconds - sum(row.seconds or 0.0 for row in rows if row.team == team and row.state.final)
        pieces = [limits.case_seconds * size for size in jobs]
        worst += [min(sum(pieces), max(0.0, left))] if together else pieces
        likely += [min(mean * sum(jobs), max(0.0, left))] if together else [mean * size for size in jobs]
    said = f"time: at most {clock(_bound(worst, at_once))}, with {at_once} containers at the same time"
    if not known:
        return [said, "time: likely less; it is told by the first cases that end"]
    return [said, f"time: likely {clock(sum(likely) / at_once)}, if the rest is as the {len(known)} cases that ended"]


def _bound(pieces: Sequence[float], at_once: int) -> float:
    longest = max(pieces, default=0.0)
    return (sum(pieces) - longest) / at_once + longest


def _lacking(place: Machines, roster: Roster, teams: Sequence[Team], cases: Sequence[Case]) -> list[str]:
    """What of the roster can't be had."""
    found = place.lacking(roster, teams, cases)
    for image in dict.fromkeys([*(team.image for team in teams), roster.helper_image]):
        try:
            place.image_id(image)
        except GoneError as error:
            found.append(f"to load: {error}")
        except FetaError as error:
            found.append(str(error))
    for name, offers in place.engines():
        try:
            check_isolation(name, offers, roster.isolation)
        except FetaError as error:
            found.append(str(error))
        if roster.limits.cpus > offers.cpus:
            found.append(
                f"{name}: has {offers.cpus:g} processors: containers get that many, not {roster.limits.cpus:g}"
            )
        needed = place.at_once(roster, name) * roster.limits.memory_mb
        if needed * MB > offers.memory:
            found.append(f"{name}: containers may use {needed} MB at the same time, it has {offers.memory / MB:.0f}")
    return found


def _disk(
    cases: Sequence[Case], folders: RunFolders, rows: Sequence[CaseRow], waiting: int
) -> tuple[list[str], list[str]]:
    """Lines, and what hinders.

    Args:
        waiting: how many cases of all teams have not ended.
    """
    copied = 0 if folders.staged.is_dir() else sum(case.image.stat().st_size for case in cases)
    there = next(path for path in (folders.root, *folders.root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    done = sum(row.state is CaseState.DONE for row in rows)
    lines = [
        f"disk: {copied / MB:.0f} MB for a copy of the input while it runs, {free / MB:.0f} MB are free in {there}"
    ]
    results = 0.0
    if done:
        written = sum(path.stat().st_size for path in folders.submissions.rglob("*") if path.is_file())
        results = written / done * waiting
        lines.append(
            f"disk: likely {results / MB:.0f} MB for results, if the rest is as the {done} cases that are done"
        )
    elif waiting:
        lines.append("disk: results come on top; a compressed label map has less than 1 MB as a rule")
    short = [f"{there}: the disk has room for less than that"] if copied + results > free else []
    return lines, short
