"""``runs.json``: what the report says about how results came to be. Written by the runner beside the teams' folders.

It holds nothing that a container said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.harness.case_state import CaseState
from evaluation.harness.roster import Roster
from evaluation.harness.state import RunState
from evaluation.submissions.find import RECORD
from feta.errors import FetaError
from feta.files import read_text, write_atomically

_FORMAT = "feta-runs/1"


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


def write_record(folder: Path, roster: Roster, state: RunState) -> None:
    """Write ``runs.json`` into the folder of submissions.

    Raises:
        FetaError: it can't be written.
    """
    rows, known = state.rows(), {entry["team"]: entry for entry in state.teams()}
    teams = {}
    for team in roster.teams:
        own = [row for row in rows if row.team == team.name]
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
    content = {"format": _FORMAT, "teams": {name: asdict(entry) for name, entry in teams.items()}}
    write_atomically(folder / RECORD, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(submissions: Path) -> dict[str, TeamRun]:
    """Team → how it ran, of a folder of submissions; empty where no runner was at work.

    Raises:
        FetaError: there is a ``runs.json`` that is none.
    """
    path = submissions / RECORD
    if path.is_dir() or (not path.exists() and not path.is_symlink()):  # a folder of that name is a team's
        return {}
    try:
        content = json.loads(read_text(path))
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        return {str(name): _team_run(entry) for name, entry in content["teams"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FetaError(path, "is no record of a run", "remove it, or put back the one that was written") from error


def _team_run(entry: Mapping[str, Any]) -> TeamRun:
    words = {name: str(entry[name]) for name in ("image", "image_id", "convention", "device", "why")}
    known = {state.value for state in CaseState}
    cases = {state: int(number) for state, number in entry["cases"].items() if state in known}
    return TeamRun(
        **words, exceptions=tuple(map(str, entry["exceptions"])), cases=cases, seconds=float(entry["seconds"])
    )
