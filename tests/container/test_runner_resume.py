"""A run that is killed, interrupted, watched, or begun twice; and a small challenge from containers to leaderboard."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from evaluation.harness.container_spec import helper_arguments
from evaluation.harness.engine import Engine
from tests.support import images, rivals
from tests.support.rivals import Rival

#: Four good ones in the order of their worth, and two that must not matter to them.
TEAMS = (
    Rival("best", maps="0.0"),
    Rival("stuck", "deaf"),
    Rival("second", maps="1.0", convention="folder-all"),
    Rival("crashes", "crash"),
    Rival("third", maps="2.0", convention="2024-case"),
    Rival("fourth", maps="3.0", convention="2021"),
)
CASES, SECONDS, KILLS = 3, 6, 5


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Input, truth and a roster."""
    root = tmp_path_factory.mktemp("challenge")
    rivals.write_cohort(root, CASES)
    rivals.write_roster(root / "roster.yaml", TEAMS, {"case_seconds": SECONDS}, parallel=2)
    return root


def arguments(root: Path, output: str) -> tuple[str, Path, Path, Path]:
    return "run", root / "roster.yaml", root / "input", root / output


def start(root: Path, output: str) -> subprocess.Popen[str]:
    """Start a run that heeds a closed terminal, even if these tests run under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            rivals.command(*arguments(root, output)), cwd=images.ROOT, env=rivals.quiet(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_volume_that_is_gone_before_its_container_is_made_leaves_nothing() -> None:
    """As when a run is ended just then; nothing can be written there either."""
    name = f"feta-{uuid.uuid4().hex}"
    labels = {"feta.run": name}
    with closing(Engine()) as engine:
        helper = engine.image_id("debian:bookworm-slim")
        container = engine.start(helper_arguments(helper, [name], labels, offers=engine.offers()))
        try:
            into = ("exec", "--user", "0", container, "sh", "-c", "echo a >/held/0/a || echo kept out")
            assert images.docker(*into).strip() == "kept out"
        finally:
            engine.remove_labelled(f"feta.run={name}")
    assert name not in images.docker("volume", "ls", "--quiet").split()


@pytest.fixture(scope="module")
def undisturbed(challenge: Path) -> Path:
    done = rivals.evaluate(*arguments(challenge, "undisturbed"))
    assert done.returncode == 1, done.stderr
    return challenge / "undisturbed"


def without_times(output: Path) -> tuple[object, ...]:
    """All that a run comes to, but for how long things took."""
    record = {team: {k: v for k, v in run.items() if k != "seconds"} for team, run in rivals.record(output).items()}
    results = {name: data for name, data in rivals.files(output / "submissions").items() if name != "runs.json"}
    return rivals.states(output), record, results, sorted(rivals.files(output / "logs"))


def test_every_team_ends_as_it_must(undisturbed: Path) -> None:
    expected = {team.name: {"done": CASES} for team in TEAMS}
    expected |= {"stuck": {"timed-out": CASES}, "crashes": {"crashed": CASES}}
    assert rivals.counted(undisturbed) == expected


def test_the_leaderboard_is_right(undisturbed: Path, tmp_path: Path) -> None:
    truth = undisturbed.parent / "truth"
    done = rivals.evaluate("score", truth, undisturbed / "submissions", tmp_path / "scores", "--jobs", 1)
    rows = rivals.leaderboard(tmp_path / "scores")
    assert [row["team"] for row in rows[:4]] == ["best", "second", "third", "fourth"], done.stdout
    assert {row["team"] for row in rows[4:]} == {"stuck", "crashes"}
    assert {float(row["dice"]) for row in rows[4:]} == {0.0}


def test_killed_at_random_moments_it_comes_to_the_same(challenge: Path, undisturbed: Path) -> None:
    roster, input_, output = arguments(challenge, "killed")[1:]
    assert rivals.run_killed(roster, input_, output, KILLS, seconds=6, seed=7) >= 3
    assert without_times(challenge / "killed") == without_times(undisturbed)
    assert rivals.left_behind(challenge / "killed") == []


def test_what_is_finished_is_not_done_again(challenge: Path, undisturbed: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (undisturbed / "logs").rglob("*.log")}
    done = rivals.evaluate(*arguments(challenge, "undisturbed"))
    assert done.returncode == 1
    assert {p: p.stat().st_mtime_ns for p in (undisturbed / "logs").rglob("*.log")} == before


def test_another_input_or_roster_is_refused(challenge: Path, undisturbed: Path, tmp_path: Path) -> None:
    changed = tmp_path / "roster.yaml"
    for old, new, said in (
        ("case_seconds: 6", "case_seconds: 7", "limits"),
        ("feta-rival-good:1.0", "feta-rival-good:2.0", "rules"),
        ("name: best", "name: worst", "best"),
    ):
        text = (challenge / "roster.yaml").read_text()
        assert old in text
        changed.write_text(text.replace(old, new))
        done = rivals.evaluate("run", changed, challenge / "input", undisturbed)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    other, _ = rivals.write_cohort(tmp_path, CASES - 1)
    done = rivals.evaluate("run", challenge / "roster.yaml", other, undisturbed)
    assert (done.returncode, "input is not" in done.stderr) == (2, True), done.stderr


@pytest.fixture
def at_work(challenge: Path, request: pytest.FixtureRequest) -> tuple[Path, subprocess.Popen[str]]:
    """A run that has a container at work."""
    output = challenge / request.node.name.replace("[", "_").replace("]", "")
    harness = start(challenge, output.name)

    def end() -> None:
        harness.kill()
        harness.wait()
        for container in rivals.left_behind(output):
            images.docker("rm", "--force", container, check=False)
            images.docker("volume", "rm", "--force", container, check=False)

    request.addfinalizer(end)
    wait_until(lambda: (output / "state.sqlite").exists() and "running" in str(rivals.states(output)))
    return output, harness


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_status_from_another_terminal(at_work: tuple[Path, subprocess.Popen[str]], undisturbed: Path) -> None:
    output, harness = at_work
    shown = json.loads(rivals.evaluate("status", output, "--format", "json").stdout)
    assert shown["running"]
    assert {case["team"] for case in shown["cases"]} == {team.name for team in TEAMS}
    harness.kill()
    harness.communicate()
    assert "not running" in rivals.evaluate("status", output).stdout
    assert f"{CASES} crashed" in rivals.evaluate("status", undisturbed).stdout


def test_two_at_once_are_refused(at_work: tuple[Path, subprocess.Popen[str]], challenge: Path) -> None:
    second = rivals.evaluate(*arguments(challenge, at_work[0].name))
    assert (second.returncode, "another run is at work" in second.stderr) == (2, True), second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_container(at_work: tuple[Path, subprocess.Popen[str]], number: signal.Signals) -> None:
    output, harness = at_work
    harness.send_signal(number)
    said = harness.communicate(timeout=60)[1]
    assert harness.returncode == 130, said
    assert "continues where it stopped" in said
    assert rivals.left_behind(output) == []


@pytest.fixture
def own_image(tmp_path: Path) -> str:
    """An image that nobody else uses, and that can be put back from ``tmp_path/image.tar``."""
    tag = f"feta-rival-own:{uuid.uuid4().hex}"
    (tmp_path / "Dockerfile").write_text(f"FROM {Rival('own').build()}\nLABEL feta.own={tag}\n")
    images.docker("build", "--quiet", "--tag", tag, str(tmp_path), environment={"DOCKER_BUILDKIT": "1"})
    images.docker("save", "--output", str(tmp_path / "image.tar"), tag)
    return tag


def test_an_image_that_vanishes_is_no_team_s_fault(tmp_path: Path, own_image: str) -> None:
    """The others go on to their end; the same command continues when it is back; a finished team needs none."""
    rivals.write_cohort(tmp_path, 2)
    text = yaml.safe_load(rivals.write_roster(tmp_path / "r.yaml", [Rival("slow", "slow"), Rival("last")]).read_text())
    text["teams"].insert(1, {"name": "own", "image": own_image})
    (tmp_path / "roster.yaml").write_text(yaml.safe_dump(text))
    harness = start(tmp_path, "out")
    wait_until(
        lambda: (tmp_path / "out" / "state.sqlite").exists() and "running" in str(rivals.states(tmp_path / "out"))
    )
    images.docker("rmi", own_image)
    said = harness.communicate(timeout=300)[1]
    assert (harness.returncode, f"own: its image {own_image} is gone" in said) == (2, True), said
    states = rivals.counted(tmp_path / "out")
    assert states["slow"] == states["last"] == {"done": 2}
    assert set(states["own"]) <= {"pending", "running"}
    images.docker("load", "--input", str(tmp_path / "image.tar"))
    assert rivals.evaluate(*arguments(tmp_path, "out")).returncode == 0
    images.docker("rmi", own_image)
    again = rivals.evaluate(*arguments(tmp_path, "out"))
    assert again.returncode == 0, again.stderr
    assert rivals.counted(tmp_path / "out")["own"] == {"done": 2}


def test_a_helper_that_does_not_stay_ends_the_run(tmp_path: Path) -> None:
    """Nothing is held against a team where its results were lost with what held them."""
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    copied = "COPY --chmod=755 sleep /usr/local/bin/sleep"
    (tmp_path / "Dockerfile").write_text(f"FROM {Rival('own').build()}\n{copied}\n")
    images.docker(
        "build", "--quiet", "--tag", "feta-rival-restless:0", str(tmp_path), environment={"DOCKER_BUILDKIT": "1"}
    )
    rivals.write_cohort(tmp_path, 1)
    rivals.write_roster(tmp_path / "roster.yaml", [Rival("own")], helper_image="feta-rival-restless:0")
    done = rivals.evaluate(*arguments(tmp_path, "out"))
    assert (done.returncode, "held results has ended" in done.stderr) == (2, True), done.stderr
    assert "done" not in rivals.counted(tmp_path / "out")["own"]
    assert rivals.left_behind(tmp_path / "out") == []


@pytest.fixture(scope="module")
def two_teams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, of which one team's results are lost."""
    root = tmp_path_factory.mktemp("two")
    rivals.write_cohort(root, 2)
    rivals.write_roster(root / "roster.yaml", [Rival("kept"), Rival("lost", convention="folder-all")])
    assert rivals.evaluate(*arguments(root, "out")).returncode == 0
    return root


def test_one_team_is_run_again_and_no_other_is_touched(two_teams: Path) -> None:
    out = two_teams / "out"
    results = rivals.files(out / "submissions")
    for path in (out / "submissions" / "lost").rglob("*_dseg.nii.gz"):
        path.write_text("what a failing disk left")
    times = {path: path.stat().st_mtime_ns for path in (out / "logs" / "kept").iterdir()}
    done = rivals.evaluate(*arguments(two_teams, "out"), "--team", "lost", "--again")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (out / "logs" / "kept").iterdir()} == times
    again = rivals.files(out / "submissions")
    assert {k: v for k, v in again.items() if k != "runs.json"} == {
        k: v for k, v in results.items() if k != "runs.json"
    }
    assert rivals.counted(out) == {"kept": {"done": 2}, "lost": {"done": 2}}
    assert "kept:" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--again",), "name those to run again"),
        (("--team", "nobody", "--again"), "no team 'nobody'; it has kept, lost"),
    ],
)
def test_a_call_that_is_for_no_team_is_refused(two_teams: Path, options: tuple[str, ...], said: str) -> None:
    done = rivals.evaluate(*arguments(two_teams, "out"), *options)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_status_of_a_folder_without_a_run(tmp_path: Path) -> None:
    done = rivals.evaluate("status", tmp_path)
    assert (done.returncode, "holds no run" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
