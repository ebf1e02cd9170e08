"""What hostile submissions come to: a clear end, a log of limited size, nothing left, others untouched."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import rivals
from tests.support.rivals import Rival

KB = 1024
#: Those that a submission may write to, most of which its image has already.
FOLDERS = ("/tmp", "/workspace/cache", "/declared", "/store", "/bottomless")


@dataclass(frozen=True)
class Day:
    """A run that has ended, and what it printed."""

    output: Path
    said: str
    status: int

    def states(self, team: str) -> list[str]:
        """Of a team's cases, in order."""
        return list(rivals.states(self.output)[team].values())

    def log(self, team: str) -> str:
        """The first log of a team."""
        return sorted((self.output / "logs" / team).iterdir())[0].read_text()

    def results(self, team: str) -> set[str]:
        """Files that were collected."""
        return set(rivals.files(self.output / "submissions" / team))


def run_day(root: Path, teams: list[Rival], cases: int, **limits: float) -> Day:
    input_, _ = rivals.write_cohort(root, cases)
    roster = rivals.write_roster(root / "roster.yaml", teams, limits, parallel=2)
    done = rivals.evaluate("run", roster, input_, root / "out")
    return Day(root / "out", done.stdout + done.stderr, done.returncode)


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Submissions that end by themselves, or by a limit on what they use; one container each for three cases."""
    behaviours = [
        "silent", "crash", "no-program", "memory", "memory-child", "memory-first", "killed", "killed-late", "disk", 
        "disk-once", "files", "holes", "flood-well", "escape-codes", "zombies", "odd-files", "linked", "good",
    ]  # fmt: skip
    teams = [Rival(behaviour, behaviour, convention="folder-all") for behaviour in behaviours]
    return run_day(tmp_path_factory.mktemp("ending"), teams, 3)


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Submissions that never end."""
    teams = [Rival(behaviour, behaviour) for behaviour in ("stuck", "deaf", "forks", "flood")]
    return run_day(tmp_path_factory.mktemp("hanging"), [*teams, Rival("after", "good")], 1, case_seconds=8)


@pytest.fixture(scope="module")
def reaching(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Submissions that try to get out, one as root, beside one whose results would be worth reading."""
    teams = [Rival("good"), Rival("reach", "reach"), Rival("as root", "reach", exceptions={"root": True})]
    return run_day(tmp_path_factory.mktemp("reaching"), teams, 2)


@pytest.mark.parametrize(
    ("team", "state"),
    [
        ("silent", "no-result"),
        ("crash", "crashed"),
        ("no-program", "crashed"),
        ("memory", "out-of-memory"),
        ("memory-child", "out-of-memory"),
        ("memory-first", "out-of-memory"),
        ("killed", "crashed"),
        ("killed-late", "crashed"),
        ("linked", "done"),
        ("disk", "output-full"),
        ("disk-once", "output-full"),
        ("files", "output-full"),
        ("holes", "output-full"),
        ("flood-well", "done"),
        ("escape-codes", "done"),
        ("zombies", "done"),
        ("good", "done"),
    ],
)
def test_each_ends_in_a_clear_state(ending: Day, team: str, state: str) -> None:
    found = ending.states(team)
    if team == "holes":  # results before the file of holes are whole
        assert state in found, ending.log(team)
    else:
        assert found == [state] * 3, ending.log(team)


@pytest.mark.parametrize(
    ("team", "state"),
    [("stuck", "timed-out"), ("deaf", "timed-out"), ("forks", "timed-out"), ("flood", "timed-out"), ("after", "done")],
)
def test_what_never_ends_is_ended(hanging: Day, team: str, state: str) -> None:
    assert hanging.states(team) == [state], hanging.log(team)


def test_what_was_written_before_the_time_was_up_counts(hanging: Day) -> None:
    assert {name.split("_")[-1] for name in hanging.results("stuck")} == {"dseg.nii.gz", "biom.csv"}


def test_a_fork_bomb_stays_within_its_limit(hanging: Day) -> None:
    had = next(line for line in hanging.log("forks").splitlines() if "processes" in line)
    assert int(had.split(" processes")[0].split()[-1]) <= rivals.LIMITS["processes"]


def test_nothing_is_left(ending: Day, hanging: Day, reaching: Day) -> None:
    for day in (ending, hanging, reaching):
        assert rivals.left_behind(day.output) == []
    commands = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)]
    assert not [c for c in commands if b"987654321" in c]


def test_space_is_limited_wherever_it_can_write(ending: Day) -> None:
    sizes = [int(line.split()[4]) for line in ending.log("disk").splitlines() if line.endswith("dseg.nii.gz")]
    assert len(sizes) == 4
    assert max(sizes) <= rivals.LIMITS["output_mb"] * KB * KB


def test_a_score_that_is_raised_back_gains_nothing(ending: Day) -> None:
    """Whatever it makes of its own place in the kernel's order: its own limit ends it, before any other is asked."""
    log = ending.log("memory-first")
    (score,) = (int(line.split()[1]) for line in log.splitlines() if line.startswith("score "))
    assert 0 <= score < 500, log
    assert ending.states("memory-first") == ["out-of-memory"] * 3


def test_what_was_killed_is_done_again_before_it_counts(ending: Day) -> None:
    assert "done again, to be sure" in ending.log("killed")
    assert "done again" not in ending.log("crash")


def test_a_result_by_another_name_of_its_own_is_a_result(ending: Day) -> None:
    assert ending.results("linked") == ending.results("good")


def test_a_file_of_holes_fills_no_disk_of_ours(ending: Day) -> None:
    assert sum(map(len, rivals.files(ending.output / "submissions" / "holes").values())) < 8 * KB * KB


@pytest.mark.parametrize("team", ["flood", "flood-well"])
def test_logs_are_limited_and_kept(ending: Day, hanging: Day, team: str) -> None:
    log = (hanging if team == "flood" else ending).log(team)
    assert "SECRET flood" in log
    assert rivals.LIMITS["log_kb"] * KB / 2 < len(log) < (rivals.LIMITS["log_kb"] + 8) * KB


def test_a_log_moves_no_cursor(ending: Day) -> None:
    log = ending.log("escape-codes")
    assert "owned" in log
    assert not {c for c in log if not c.isprintable() and c not in "\n\t"}


def test_odd_files_are_left_behind(ending: Day) -> None:
    assert ending.states("odd-files") == ["no-result", "no-result", "done"], ending.log("odd-files")
    anat = {f"sub-003/anat/sub-003_rec-mial_T2w_{kind}" for kind in ("dseg.nii.gz", "biom.csv")}
    assert ending.results("odd-files") == {*anat, "sub-002/anat/sub-002_rec-mial_T2w_biom.csv"}
    everything = list((ending.output / "submissions").rglob("*"))
    assert not [p for p in everything if p.is_symlink() or not (p.is_file() or p.is_dir())]


def test_the_exit_status_says_that_some_failed(ending: Day, hanging: Day) -> None:
    assert (ending.status, hanging.status) == (1, 1), ending.said + hanging.said


def test_what_containers_print_goes_to_the_logs_alone(ending: Day, hanging: Day) -> None:
    for day in (ending, hanging):
        assert "SECRET" not in day.said
        holding = subprocess.run(["grep", "-rl", "SECRET", day.output], capture_output=True, text=True, check=False)
        assert {Path(name).relative_to(day.output).parts[0] for name in holding.stdout.split("\n") if name} == {"logs"}
        assert (day.output / "logs").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("team", ["reach", "as root"])
def test_nothing_is_within_reach(reaching: Day, team: str) -> None:
    """The network, the engine, the host, the truth beside the input, other cases, other teams."""
    log = reaching.log(team)
    assert log.count("kept from") >= 28, log
    assert "REACHED" not in log, log
    assert reaching.states(team) == ["done", "done"]


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Submissions that need folders which their image has already, two at a time."""
    more = {"scratch": ["/workspace/cache"], "why": "caches there"}
    teams = [Rival("first", "writes", exceptions=more), Rival("second", "writes", exceptions=more)]
    teams.append(Rival("as root", "writes", exceptions={**more, "root": True}))
    return run_day(tmp_path_factory.mktemp("writing"), teams, 1)


@pytest.mark.parametrize("team", ["first", "second", "as root"])
def test_folders_that_the_image_has_can_be_written_to(writing: Day, team: str) -> None:
    log = writing.log(team)
    assert all(f"wrote to {f}" in log for f in FOLDERS), log


def test_every_team_is_somebody_else(writing: Day) -> None:
    accounts = {team: writing.log(team).splitlines()[-1] for team in ("first", "second", "as root")}
    assert accounts == {"first": "60706", "second": "60707", "as root": "0"}


def test_the_input_is_unchanged(reaching: Day) -> None:
    root = reaching.output.parent
    assert rivals.files(root / "input") == rivals.files(root / "truth")
