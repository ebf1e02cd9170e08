"""``runs.json``: what the report says about how results came to be. Written by the runner beside the teams' folders.

It holds nothing that a container said.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from evaluation.harness.case_state import CaseState
from evaluation.harness.roster import ResourceLimits, Roster
from evaluation.harness.state import RunState
from evaluation.submissions.find import RECORD, case_key
from feta.errors import FetaError
from feta.files import read_text, write_atomically

_FORMAT = "feta-runs/1"
#: A thousand teams with a thousand cases.
_MAX_BYTES = 1 << 28


HERE, ENCRYPTED, NOT_ENCRYPTED = "this machine", "a cluster, encrypted", "a cluster, NOT encrypted"


@dataclass(frozen=True)
class TeamRun:
    """How a team's containers ran.

    Attributes:
        image, image_id: as the roster names it, and the local id that it stood for.
        convention: how it was called.
        device: ``CPU`` or ``GPU 0``.
        exceptions: what it was allowed beyond the others, in words.
        why: the organizer's reason for them.
        cases: state → number of cases.
        seconds: wall clock of all its containers.
    """

    image: str
    image_id: str
    convention: str
    device: str
    exceptions: tuple[str, ...]
    why: str
    cases: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class Place:
    """What a part of a run's containers was started by.

    Attributes:
        engine: its name and version.
        lacks: walls that it can't keep, of ``evaluation.harness.engine_offers.Wall``.
        way: how jobs came there: HERE, ENCRYPTED, or NOT_ENCRYPTED.
    """

    engine: str
    lacks: tuple[str, ...] = ()
    way: str = HERE


@dataclass(frozen=True)
class CaseRun:
    """How one case of a team ended; ``seconds`` is wall clock, None where it never began; ``memory`` as in CaseRow."""

    state: CaseState
    seconds: float | None
    memory: int | None = None


@dataclass(frozen=True)
class RunRecord:
    """The whole file.

    Attributes:
        teams: team → how it ran.
        cases: team → case, by the name that the evaluator knows it by → how it ended; empty in older records.
        limits: those of every team; None in older records.
        places: each kind of place where containers ran, in all calls of the run; empty in older records.
    """

    teams: Mapping[str, TeamRun] = field(default_factory=dict)
    cases: Mapping[str, Mapping[str, CaseRun]] = field(default_factory=dict)
    limits: ResourceLimits | None = None
    places: tuple[Place, ...] = ()


def write_record(folder: Path, roster: Roster, state: RunState) -> None:
    """Write ``runs.json`` into the folder of submissions.

    Raises:
        FetaError: it can't be written.
    """
    rows, known = state.rows(), {entry["team"]: entry for entry in state.teams()}
    teams, cases = {}, {}
    for team in roster.teams:
        own = [row for row in rows if row.team == team.name]
        cases[team.name] = {
            row.case: {"state": row.state.value, "seconds": row.seconds, "memory": row.memory} for row in own
        }
        teams[team.name] = TeamRun(
            team.image,
            known[team.name]["image_id"],
            team.convention.value,
            known[team.name]["device"],
            team.exceptions.named(),
            team.exceptions.why,
            dict(Counter(row.state.value for row in own)),
            round(sum(row.seconds or 0.0 for row in own), 1),
        )
    content = {
        "format": _FORMAT,
        "teams": {name: asdict(entry) for name, entry in teams.items()},
        "cases": cases,
        # JSON knows no infinity: what is absent has the default.
        "places": state.places(),
        "limits": {name: value for name, value in asdict(roster.limits).items() if value != math.inf},
    }
    write_atomically(folder / RECORD, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(submissions: Path) -> dict[str, TeamRun]:
    """Team → how it ran, of a folder of submissions; empty where no runner was at work.

    Raises:
        FetaError: there is a ``runs.json`` that is none.
    """
    return dict(read_run_record(submissions).teams)


def read_run_record(submissions: Path) -> RunRecord:
    """The whole record of a folder of submissions; empty where no runner was at work.

    Raises:
        FetaError: there is a ``runs.json`` that is none.
    """
    path = submissions / RECORD
    if path.is_dir() or (not path.exists() and not path.is_symlink()):  # a folder of that name is a team's
        return RunRecord()
    try:
        content = json.loads(read_text(path, _MAX_BYTES))
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        teams = {str(name): _team_run(entry) for name, entry in content["teams"].items()}
        cases = {str(team): _case_runs(entries) for team, entries in content.get("cases", {}).items()}
        limits = ResourceLimits(**content["limits"]) if "limits" in content else None
        places = tuple(
            Place(str(p["engine"]), tuple(map(str, p["lacks"])), str(p["way"])) for p in content.get("places", ())
        )
        return RunRecord(teams, cases, limits, places)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FetaError(path, "is no record of a run", "remove it, or put back the one that was written") from error


def _team_run(entry: Mapping[str, Any]) -> TeamRun:
    words = {name: str(entry[name]) for name in ("image", "image_id", "convention", "device", "why")}
    known = {state.value for state in CaseState}
    cases = {state: int(number) for state, number in entry["cases"].items() if state in known}
    return TeamRun(
        **words, exceptions=tuple(map(str, entry["exceptions"])), cases=cases, seconds=float(entry["seconds"])
    )


def _case_runs(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, CaseRun]:
    known = {state.value for state in CaseState}
    return {
        case_key(PurePosixPath(case).name): CaseRun(
            CaseState(entry["state"]),
            None if entry["seconds"] is None else float(entry["seconds"]),
            None if entry.get("memory") is None else int(entry["memory"]),
        )
        for case, entry in entries.items()
        if entry["state"] in known
    }
