"""How far a run is, in a SQLite file: every team's case has a row, and a change is there wholly or not at all."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.harness.case_state import CaseRow, CaseState, Tally
from evaluation.harness.roster import ResourceLimits, Roster, Team
from feta.errors import FetaError

_FORMAT = "feta-run/1"
_WAIT_SECONDS = 30.0
_TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE teams (team TEXT PRIMARY KEY, place INTEGER NOT NULL, rules TEXT NOT NULL, image_id TEXT NOT NULL, "
    "device TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE cases (team TEXT NOT NULL, case_id TEXT NOT NULL, place INTEGER NOT NULL, state TEXT NOT NULL, "
    "begun REAL, seconds REAL, exit_code INTEGER, memory INTEGER, PRIMARY KEY (team, case_id))",
)


@contextmanager
def transaction(path: Path, what: str) -> Iterator[sqlite3.Connection]:
    """A small database, opened for one transaction, which is undone where an error comes out of it.

    Args:
        path: the file.
        what: it must be, for whom it can't be used by.

    Raises:
        FetaError: it can't be used.
    """
    try:
        # Transactions are begun here, not by the library, so that making the tables belongs to one, too.
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as database, database:
            database.execute("BEGIN IMMEDIATE")
            yield database
    except sqlite3.Error as error:
        raise FetaError(path, f"can't be used ({error})", f"it must be {what}") from error


class RunState:
    """The file. Each method opens it anew, so that threads and processes can share it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _opened(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self.path, "the state of a run")

    def create(self, run_id: str, roster: Roster, images: Mapping[str, str], cases: Sequence[str], about: str) -> None:
        """Make the file with every case pending; one that exists is left as it is.

        Args:
            images: team → local id of its image.
            about: what the input is; see ``evaluation.harness.staging.identity``.
        """
        with self._opened() as database:
            if database.execute("SELECT name FROM sqlite_master WHERE name = 'facts'").fetchone():
                if "memory" not in {column[1] for column in database.execute("PRAGMA table_info(cases)")}:
                    database.execute("ALTER TABLE cases ADD COLUMN memory INTEGER")  # of before it was looked at
                return
            for table in _TABLES:
                database.execute(table)
            facts = {"format": _FORMAT, "run": run_id, "input": about, "limits": _limits(roster)}
            database.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            self._insert(database, roster.teams, images, cases)

    def check(self, roster: Roster, images: Mapping[str, str], cases: Sequence[str], about: str) -> None:
        """Continue with a roster: teams may have come in, but nothing else may have changed.

        Raises:
            FetaError: limits, the input, or a team's image or rules aren't those of the run; or the file is none.
        """
        with self._opened() as database:
            facts = dict(database.execute("SELECT name, value FROM facts"))
            known = {row[0]: row[1:] for row in database.execute("SELECT team, rules, image_id FROM teams")}
        remedy = "use another output folder for another run"
        if facts.get("format") != _FORMAT:
            raise FetaError(self.path, "is no state of a run", remedy)
        for name, now in (("input", about), ("limits", _limits(roster))):
            if facts[name] != now:
                raise FetaError(self.path, f"the {name} is not what the run began with", remedy)
        names = {team.name for team in roster.teams}
        gone = sorted(set(known) - names)
        if gone:
            raise FetaError(self.path, f"the run has a team {gone[0]!r}, the roster hasn't", remedy)
        for team in roster.teams:
            if team.name in known and known[team.name] != (_rules(team), images[team.name]):
                said = "rules are" if known[team.name][0] != _rules(team) else "image is"
                raise FetaError(self.path, f"{team.name}'s {said} not what the run began with", remedy)
        with self._opened() as database:
            new = [team for team in roster.teams if team.name not in known]
            self._insert(database, new, images, cases, first=len(known))

    @staticmethod
    def _insert(
        database: sqlite3.Connection,
        teams: Sequence[Team],
        images: Mapping[str, str],
        cases: Sequence[str],
        first: int = 0,
    ) -> None:
        for place, team in enumerate(teams, start=first):
            row = (team.name, place, _rules(team), images[team.name])
            database.execute("INSERT INTO teams (team, place, rules, image_id) VALUES (?, ?, ?, ?)", row)
            rows = [(team.name, case, i, CaseState.PENDING) for i, case in enumerate(cases)]
            database.executemany("INSERT INTO cases (team, case_id, place, state) VALUES (?, ?, ?, ?)", rows)

    def fact(self, name: str) -> str:
        """A fact of the run: ``run`` (its id), ``input``, ``limits``."""
        with self._opened() as database:
            found = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if found is None:
            raise FetaError(self.path, "is no state of a run", "name the output folder of a run")
        return str(found[0])

    def note_places(self, places: Sequence[Mapping[str, Any]]) -> None:
        """Where containers are started now, beside where they were in earlier calls; each once."""
        with self._opened() as database:
            known = _places(database)
            known += [dict(place) for place in places if dict(place) not in known]
            database.execute("INSERT OR REPLACE INTO facts VALUES ('places', ?)", (json.dumps(known),))

    def places(self) -> list[dict[str, Any]]:
        """Where containers of this run were started, in all calls."""
        with self._opened() as database:
            return _places(database)

    def limits(self) -> ResourceLimits:
        """The limits of the run."""
        return ResourceLimits(**json.loads(self.fact("limits")))

    def forget_running(self) -> None:
        """What was running when the harness ended is to be done again."""
        with self._opened() as database:
            database.execute(
                "UPDATE cases SET state = ?, begun = NULL WHERE state = ?", (CaseState.PENDING, CaseState.RUNNING)
            )

    def forget_not_started(self) -> None:
        """What could not be started is to be tried again."""
        with self._opened() as database:
            values = (CaseState.PENDING, CaseState.NOT_STARTED)
            database.execute(
                "UPDATE cases SET state = ?, begun = NULL, seconds = NULL, exit_code = NULL WHERE state = ?", values
            )

    def forget_teams(self, names: Sequence[str]) -> None:
        """Every case of some teams is to be done again, however it ended."""
        with self._opened() as database:
            values = [(CaseState.PENDING, name) for name in names]
            database.executemany(
                "UPDATE cases SET state = ?, begun = NULL, seconds = NULL, exit_code = NULL WHERE team = ?", values
            )

    def begin(self, cases: Sequence[tuple[str, str]], device: str) -> None:
        """Cases that containers are started for.

        Args:
            cases: (team, case) of each.
        """
        with self._opened() as database:
            teams = [(device, team) for team in dict.fromkeys(team for team, _ in cases)]
            database.executemany("UPDATE teams SET device = ? WHERE team = ?", teams)
            rows = [(CaseState.RUNNING, time.time(), team, case) for team, case in cases]
            database.executemany("UPDATE cases SET state = ?, begun = ? WHERE team = ? AND case_id = ?", rows)

    def finish(self, rows: Sequence[CaseRow]) -> None:
        """How cases ended; all of them or, where the harness is killed meanwhile, none."""
        with self._opened() as database:
            values = [(r.state, r.seconds, r.exit_code, r.memory, r.team, r.case) for r in rows]
            database.executemany(
                "UPDATE cases SET state = ?, seconds = ?, exit_code = ?, memory = ? WHERE team = ? AND case_id = ?",
                values,
            )

    def rows(self, team: str | None = None) -> list[CaseRow]:
        """Every team's cases, or those of one, in the order of the roster and the input."""
        which, values = ("", ()) if team is None else (" WHERE c.team = ?", (team,))
        with self._opened() as database:
            found = database.execute(
                f"SELECT c.* FROM cases c JOIN teams t USING (team){which} ORDER BY t.place, c.place", values
            )
            names = [column[0] for column in found.description]
            rows = [dict(zip(names, row, strict=True)) for row in found]
        return [
            CaseRow(r["team"], r["case_id"], CaseState(r["state"]), r["begun"], r["seconds"], r["exit_code"],
                    r.get("memory"))
            for r in rows
        ]  # fmt: skip

    def tally(self) -> list[Tally]:
        """How many of each team's cases are in each state, by team in the order of the roster.

        The database counts: of a large run it takes a small part of what reading every row does.
        """
        with self._opened() as database:
            found = database.execute(
                "SELECT c.team, c.state, COUNT(*), TOTAL(c.seconds), MIN(c.begun) FROM cases c "
                "JOIN teams t USING (team) GROUP BY c.team, c.state ORDER BY t.place, c.state"
            ).fetchall()
        return [Tally(team, CaseState(state), *more) for team, state, *more in found]

    def teams(self) -> list[dict[str, Any]]:
        """``team``, ``rules`` (as the roster has them), ``image_id`` and ``device`` of each team."""
        with self._opened() as database:
            found = database.execute("SELECT team, rules, image_id, device FROM teams ORDER BY place").fetchall()
        return [{"team": t, "rules": json.loads(rules), "image_id": i, "device": d} for t, rules, i, d in found]


def _places(database: sqlite3.Connection) -> list[dict[str, Any]]:
    found = database.execute("SELECT value FROM facts WHERE name = 'places'").fetchone()
    return json.loads(found[0]) if found else []


def _rules(team: Team) -> str:
    return json.dumps(asdict(team), sort_keys=True)


def _limits(roster: Roster) -> str:
    return json.dumps(asdict(roster.limits), sort_keys=True)
