"""A challenge with phases, as an organizer runs it: what is taken, what is refused, what counts, what is published."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.support import rivals
from tests.support.html_page import Page
from tests.support.rivals import Rival

PHASES = [
    {"name": "validation", "a_day": 2, "counts": "best"},
    {"name": "test", "at_most": 1, "hidden": True},
    {"name": "gone", "closes": "2026-01-01T00:00:00Z"},
]


class Challenge:
    """Its folders, and the commands that an organizer types."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root, root / "out"
        self.input_, self.truth = rivals.write_cohort(root, 2)

    def run(self, teams: list[Rival], *more: object) -> subprocess.CompletedProcess[str]:
        phases = [{k: yaml.safe_load(v) if k == "closes" else v for k, v in phase.items()} for phase in PHASES]
        roster = rivals.write_roster(self.root / "roster.yaml", teams, phases=phases)
        return rivals.evaluate("run", roster, self.input_, self.out, *more)

    def board(self) -> dict[str, str]:
        scores = self.out / "validation" / "scores"
        done = rivals.evaluate("score", self.truth, self.out / "validation" / "submissions", scores, "--tables")
        assert done.returncode in (0, 1), done.stderr
        done = rivals.evaluate("board", self.out, self.root / "site")
        assert done.returncode == 0, done.stderr
        return {path.name: " ".join(Page(path.read_text()).text.split()) for path in (self.root / "site").iterdir()}


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    return Challenge(tmp_path_factory.mktemp("challenge"))


def test_a_challenge_from_its_first_day_to_an_appeal(challenge: Challenge) -> None:
    first = [Rival("alpha", maps="1.0"), Rival("beta", maps="1.0"), Rival("gamma", "crash")]
    done = challenge.run(first, "--phase", "validation")
    assert done.returncode == 1  # gamma crashes
    assert [re.sub(r", 20.*", "", line) for line in done.stdout.splitlines()] == [
        f"{name}: no. 1 of phase validation: taken" for name in ("alpha", "beta", "gamma")
    ]
    # Nothing is new: nothing is taken, and nothing is run.
    assert challenge.run(first, "--phase", "validation").stdout == ""
    # Another image of one team, and one more than the day has.
    second = [Rival("alpha", maps="2.0"), *first[1:]]
    assert challenge.run(second, "--phase", "validation").stdout.startswith("alpha: no. 2 of phase validation: taken")
    third = [Rival("alpha", maps="3.0"), *first[1:]]
    done = challenge.run(third, "--phase", "validation")
    assert done.returncode == 1
    assert re.match(r"alpha: not taken: it has handed in 2 on this day of UTC.*clock of this machine says", done.stdout)
    # An appeal, without a word and with one.
    again = ("--phase", "validation", "--team", "gamma", "--again")
    assert "by whose word" in challenge.run(first, *again).stderr
    done = challenge.run(first, *again, "--word", "A. Chair: the disk was full")
    assert done.stdout.startswith("gamma: no. 2 of phase validation: run again, in place of no. 1")
    assert set(rivals.counted(challenge.out / "validation")) == {"alpha-1", "beta-1", "gamma-1", "alpha-2", "gamma-2"}
    page = challenge.board()["validation.html"]
    assert "same image as beta 1" in page
    assert "A. Chair: the disk was full" in page
    assert page.index("alpha 1") < page.index("gamma 2")
    assert rivals.left_behind(challenge.out / "validation") == []


def test_a_hidden_phase_and_one_that_is_over(challenge: Challenge) -> None:
    team = [Rival("onlyhere")]
    assert challenge.run(team, "--phase", "test").returncode == 0
    done = challenge.run(team, "--phase", "gone")
    assert done.returncode == 1
    assert "onlyhere: not taken: the phase gone is over since 2026-01-01 00:00:00 UTC" in done.stdout
    assert not any("onlyhere" in text for text in challenge.board().values())


def test_a_phase_must_be_named(challenge: Challenge) -> None:
    for more in ((), ("--phase", "final")):
        done = challenge.run([Rival("a")], *more)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "it has validation, test, gone" in done.stderr


def test_a_clock_that_is_behind_takes_nothing(challenge: Challenge) -> None:
    with closing(sqlite3.connect(challenge.out / "history.sqlite")) as database, database:
        database.execute("UPDATE phases SET since = ? WHERE name = 'gone'", (time.time() + 86400,))
    done = challenge.run([Rival("late")], "--phase", "test")
    assert done.returncode == 2
    assert done.stderr.startswith("feta-evaluate: this machine's clock: says 20")
