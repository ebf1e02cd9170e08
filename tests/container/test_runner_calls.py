"""Every calling convention under the runner, with and without exceptions; rosters that can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support import rivals
from tests.support.rivals import Rival

CONVENTIONS = ("folder", "folder-all", "2024-case", "2024-all", "2021")
#: 2021 had no lengths.
WITH_LENGTHS = CONVENTIONS[:-1]
NAMED = ["root", "writable copy of the input", "shared memory 16 MB"]


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good team in each convention, and each again with every exception; gives the output folder."""
    root = tmp_path_factory.mktemp("called")
    input_, _ = rivals.write_cohort(root, 2)
    more = {"root": True, "writable_input": True, "shm_mb": 16, "scratch": ["/scratch"], "why": "it is old"}
    plain = [Rival(name, convention=name) for name in CONVENTIONS]
    excepted = [Rival(f"{name} excepted", convention=name, exceptions=more) for name in CONVENTIONS]
    roster = rivals.write_roster(root / "roster.yaml", [*plain, *excepted], parallel=2)
    done = rivals.evaluate("run", roster, input_, root / "out")
    assert done.returncode == 0, done.stderr
    return root / "out"


@pytest.mark.parametrize("ending", ["", " excepted"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_results_of_every_convention_are_the_same(called: Path, convention: str, ending: str) -> None:
    found = rivals.files(called / "submissions" / (convention + ending))
    expected = rivals.files(called / "submissions" / "folder")
    if convention not in WITH_LENGTHS:
        expected = {name: data for name, data in expected.items() if not name.endswith(".csv")}
    assert found == expected
    assert len(found) == (4 if convention in WITH_LENGTHS else 2)


def test_exceptions_are_recorded(called: Path) -> None:
    record = rivals.record(called)
    assert record["2021"]["exceptions"] == []
    excepted = record["2024-all excepted"]
    assert excepted["exceptions"] == [*NAMED, "may write to /scratch"]
    assert (excepted["why"], excepted["cases"], excepted["device"]) == ("it is old", {"done": 2}, "CPU")
    assert excepted["image_id"].startswith("sha256:")


def test_nothing_is_left_of_copies(called: Path) -> None:
    assert rivals.left_behind(called) == []


def test_the_truth_scores_perfectly_and_the_report_shows_exceptions(called: Path, tmp_path: Path) -> None:
    truth = called.parent / "truth"
    done = rivals.evaluate("score", truth, called / "submissions", tmp_path / "scores", "--jobs", 1)
    assert done.returncode == 1, done.stderr  # 2021 gave no lengths
    assert "runs.json" not in done.stderr
    assert {row["dice"] for row in rivals.leaderboard(tmp_path / "scores")} == {"1.0"}
    report = (tmp_path / "scores" / "report.html").read_text()
    assert "writable copy of the input" in report
    assert "it is old" in report


def refused(tmp_path: Path, **changes: object) -> str:
    """The one line that a roster with these changes comes to."""
    input_, _ = rivals.write_cohort(tmp_path, 1)
    roster = tmp_path / "roster.yaml"
    team = {"name": "a", "image": "no/such-image:1"}
    roster.write_text(yaml.safe_dump({"teams": [team], **changes}))
    done = rivals.evaluate("run", roster, input_, tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path).startswith("feta-evaluate: no/such-image:1: no such image here")


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    teams = [{"name": "a", "image": Rival("a").build()}]
    assert "no/helper:1: no such image" in refused(tmp_path, teams=teams, helper_image="no/helper:1")


def test_a_gpu_where_there_is_none_is_the_cpu(tmp_path: Path) -> None:
    input_, _ = rivals.write_cohort(tmp_path, 1)
    roster = rivals.write_roster(tmp_path / "roster.yaml", [Rival("a")], gpus=["77"])
    done = rivals.evaluate("run", roster, input_, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "no GPU 77" in done.stderr
    assert rivals.record(tmp_path / "out")["a"]["device"] == "CPU"
    assert rivals.left_behind(tmp_path / "out") == []


def test_a_team_whose_time_is_used_up(tmp_path: Path) -> None:
    input_, _ = rivals.write_cohort(tmp_path, 3)
    teams = [Rival("late", "stuck"), Rival("other")]
    roster = rivals.write_roster(tmp_path / "roster.yaml", teams, {"case_seconds": 8, "team_seconds": 8})
    rivals.evaluate("run", roster, input_, tmp_path / "out")
    assert rivals.counted(tmp_path / "out") == {"late": {"timed-out": 1, "out-of-time": 2}, "other": {"done": 3}}
