"""What was ever handed in, in a SQLite file that only grows: nothing is removed, an appeal is one more row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from evaluation.harness.roster import Counts, Phase, Team
from evaluation.harness.state import transaction
from feta.errors import FetaError
from feta.settings import settings_from

HISTORY, LOCK, SCORES = "history.sqlite", "history.lock", "scores"
_FORMAT = "feta-history/1"
_TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE phases (place INTEGER PRIMARY KEY, name TEXT NOT NULL, rules TEXT NOT NULL, since REAL NOT NULL)",
    "CREATE TABLE entries (place INTEGER PRIMARY KEY, phase TEXT NOT NULL, team TEXT NOT NULL, "
    "number INTEGER NOT NULL, image TEXT NOT NULL, image_id TEXT NOT NULL, rules TEXT NOT NULL, "
    "received REAL NOT NULL, again_of INTEGER, word TEXT NOT NULL, UNIQUE (phase, team, number))",
)


@dataclass(frozen=True)
class Entry:
    """One submission, or one that was run again after an appeal.

    Attributes:
        number: of the team's in its phase, from 1.
        image, image_id: as the roster named it, and what it stood for.
        rules: how it is called and what it is allowed: the team's part of the roster, without name and image.
        received: Unix time by the clock of the machine that took it.
        again_of: number of the submission that was run again; None for a submission.
        word: by whose word, and why, where it was run again.
    """

    phase: str
    team: str
    number: int
    image: str
    image_id: str
    rules: Mapping[str, Any]
    received: float
    again_of: int | None = None
    word: str = ""

    @property
    def name(self) -> str:
        """What it is called in its phase's run: a folder of its own, so that nothing earlier is lost."""
        return f"{self.team}-{self.number}"

    def as_team(self) -> Team:
        """What the runner takes for a team. The image is the one that was taken, wherever its tag has moved."""
        return settings_from(Team, {"name": self.name, "image": self.image_id, **self.rules}, Path(HISTORY))


@dataclass(frozen=True)
class Rules:
    """A phase as a roster had it, since a Unix time."""

    phase: Phase
    since: float


class History:
    """The file. One process writes at a time (see ``LOCK``); each method opens it anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _opened(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self.path, "the history of a challenge")

    def create(self) -> None:
        """Make the file; one that exists is left as it is.

        Raises:
            FetaError: it is no history.
        """
        with self._opened() as database:
            if not database.execute("SELECT name FROM sqlite_master").fetchone():
                for table in _TABLES:
                    database.execute(table)
                database.execute("INSERT INTO facts VALUES ('format', ?)", (_FORMAT,))
            found = database.execute("SELECT value FROM facts WHERE name = 'format'").fetchone()
        if found != (_FORMAT,):
            raise FetaError(self.path, "is no history of a challenge", "name the output folder of `run --phase`")

    def put_phase(self, phase: Phase, now: float) -> None:
        """Remember a phase's rules; those that held before stay on record."""
        rules = json.dumps(_as_words(phase), sort_keys=True)
        with self._opened() as database:
            last = database.execute(
                "SELECT rules FROM phases WHERE name = ? ORDER BY place DESC LIMIT 1", (phase.name,)
            ).fetchone()
            if last != (rules,):
                row = (phase.name, rules, now)
                database.execute("INSERT INTO phases (name, rules, since) VALUES (?, ?, ?)", row)

    def phases(self) -> dict[str, list[Rules]]:
        """Phase → its rules in the order in which they came to hold, phases in the order in which they were begun."""
        with self._opened() as database:
            rows = database.execute("SELECT name, rules, since FROM phases ORDER BY place").fetchall()
        found: dict[str, list[Rules]] = {}
        for name, rules, since in rows:
            found.setdefault(name, []).append(Rules(_phase(json.loads(rules)), since))
        return found

    def put(self, *entries: Entry) -> None:
        """Add entries, all or none."""
        rows = [
            (*(e.phase, e.team, e.number, e.image, e.image_id), json.dumps(e.rules, sort_keys=True), e.received,
             e.again_of, e.word)
            for e in entries
        ]  # fmt: skip
        with self._opened() as database:
            database.executemany(
                "INSERT INTO entries (phase, team, number, image, image_id, rules, received, again_of, word) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def entries(self, phase: str) -> list[Entry]:
        """All of a phase, in the order in which they came."""
        with self._opened() as database:
            rows = database.execute(
                "SELECT phase, team, number, image, image_id, rules, received, again_of, word FROM entries "
                "WHERE phase = ? ORDER BY place",
                (phase,),
            ).fetchall()
        return [
            Entry(phase, team, number, image, image_id, json.loads(rules), received, again_of, word)
            for phase, team, number, image, image_id, rules, received, again_of, word in rows
        ]

    def latest(self) -> float:
        """The latest time on record, Unix; 0 where there is none."""
        with self._opened() as database:
            (time,) = database.execute(
                "SELECT max(t) FROM (SELECT max(received) AS t FROM entries UNION SELECT max(since) FROM phases)"
            ).fetchone()
        return float(time or 0.0)


def rules_of(team: Team) -> dict[str, Any]:
    """How a team is called and what it is allowed, as JSON has it."""
    exceptions = asdict(team.exceptions)
    return {"convention": team.convention.value, "exceptions": {**exceptions, "scratch": list(exceptions["scratch"])}}


def _as_words(phase: Phase) -> dict[str, Any]:
    content = asdict(phase)
    for name in ("opens", "closes"):
        given: datetime | date | None = content[name]
        content[name] = given.isoformat() if given else None
    return content


def _phase(content: dict[str, Any]) -> Phase:
    times = {name: _time(content[name]) for name in ("opens", "closes")}
    return Phase(**{**content, **times, "counts": Counts(content["counts"])})


def _time(text: str | None) -> datetime | date | None:
    if text is None:
        return None
    return date.fromisoformat(text) if len(text) == len("2026-08-01") else datetime.fromisoformat(text)


def moment(unix: float) -> datetime:
    """A Unix time in UTC."""
    return datetime.fromtimestamp(unix, UTC)


def said(unix: float | datetime) -> str:
    """A time in words, to the second: ``2026-08-01 12:00:00 UTC``."""
    return f"{(moment(unix) if isinstance(unix, float) else unix):%Y-%m-%d %H:%M:%S} UTC"
