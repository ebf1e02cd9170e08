"""``feta-evaluate`` with a cluster, as it is typed: one line for a call that can't be meant."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from evaluation.cli import app
from evaluation.cluster.connection import Address
from evaluation.cluster.reaper import reap
from evaluation.harness.record import ENCRYPTED, read_run_record
from feta.errors import FetaError
from tests.support.made_up_engine import MadeUpEngine
from tests.support.small_brains import write_truth


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, FetaError):
        return 2, str(done.exception)
    return done.exit_code, done.output


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    write_truth(tmp_path / "input", 1)
    (tmp_path / "roster.yaml").write_text(yaml.safe_dump({"teams": [{"name": "a", "image": "good:1"}]}))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scheduler", "tcp://h:1"), "not encrypted"),
        (("--scheduler", "tls://h:1"), "needs certificates"),
        (("--certificates", "folder"), "add --scheduler"),
        (("--send",), "add --scheduler"),
        (("--insecure",), "add --scheduler"),
    ],
)
def test_a_call_that_can_t_be_meant(challenge: Path, options: tuple[str, ...], said: str) -> None:
    status, line = call("run", challenge / "roster.yaml", challenge / "input", challenge / "out", *options)
    assert (status, said in line, len(line.splitlines())) == (2, True, 1)
    assert not (challenge / "out").exists()


def test_a_run_and_its_forecast(challenge: Path, address: Address) -> None:
    there = ("--scheduler", address.url, "--certificates", address.certificates)
    given = ("run", challenge / "roster.yaml", challenge / "input", challenge / "out", *there)
    status, said = call(*given, "--dry-run")
    assert (status, "1 teams x 1 cases: 1 containers" in said) == (0, True), said
    assert MadeUpEngine.started == []
    status, said = call(*given)
    assert status == 0, said
    assert (challenge / "out" / "submissions" / "runs.json").is_file()


def test_a_forecast_refuses_what_a_run_would(challenge: Path) -> None:
    status, line = call("run", challenge / "roster.yaml", challenge / "input", challenge / "input" / "out", "--dry-run")
    assert (status, "lies in" in line) == (2, True)
    assert not (challenge / "input" / "out").exists()


def test_a_phase_runs_on_a_cluster_too(challenge: Path, address: Address) -> None:
    """What is taken is run once, by the image that was taken."""
    roster = challenge / "roster.yaml"
    roster.write_text(yaml.safe_dump({**yaml.safe_load(roster.read_text()), "phases": [{"name": "test"}]}))
    there = ("--scheduler", address.url, "--certificates", address.certificates)
    given = ("run", roster, challenge / "input", challenge / "out", "--phase", "test", *there)
    status, said = call(*given, "--dry-run")
    assert (status, "phase test: as if every team" in said, "1 containers to be run" in said) == (0, True, True), said
    assert call("run", roster, challenge / "input", challenge / "out", *there, "--dry-run")[0] == 2
    assert not (challenge / "out").exists()
    status, said = call(*given)
    assert (status, "a: no. 1 of phase test: taken" in said) == (0, True), said
    (place,) = read_run_record(challenge / "out" / "test" / "submissions").places
    assert place.way == ENCRYPTED
    assert call(*given)[0] == 0
    assert len(MadeUpEngine.started) == 1


def test_certificates_are_made_once(tmp_path: Path) -> None:
    assert call("certificates", tmp_path / "made", "--days", 3)[0] == 0
    assert call("certificates", tmp_path / "made")[0] == 2


def test_what_a_killed_worker_left_is_removed_by_its_label_alone(engine: type[MadeUpEngine]) -> None:
    for process in ("1", "2"):
        MadeUpEngine().make_volume({"name": process, "labels": {"feta.process": process}})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("evaluation.cluster.reaper.Engine", MadeUpEngine)
        assert reap("feta.process=1")
        engine.problem = "doesn't answer"
        assert not reap("feta.process=2", patience=0.0)
    assert set(MadeUpEngine.volumes) == {"2"}


def test_a_reaper_begins_when_its_worker_has_ended_however_it_did(tmp_path: Path) -> None:
    """With a program in Python's place that says when its input has come to an end."""
    worker = (
        "import sys, time; from evaluation.cluster import reaper; sys.executable = sys.argv[1]; "
        "kept = reaper.start_reaper('a=b', '/folder'); print('ready', flush=True); time.sleep(60)"
    )
    program = tmp_path / "program"
    said = tmp_path / "said"
    program.write_text(f'#!/bin/bash\ncat >/dev/null\necho "$@" >{said}.part\nmv {said}.part {said}\n')
    program.chmod(0o755)
    started = subprocess.Popen([sys.executable, "-c", worker, str(program)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    assert not said.exists()
    started.send_signal(signal.SIGKILL)
    started.communicate()
    for _ in range(300):
        if said.exists():
            break
        time.sleep(0.1)
    assert said.read_text() == "-m evaluation.cluster.reaper a=b /folder\n"


def test_a_reaper_that_is_told_to_end_removes_what_a_job_worked_on_first(tmp_path: Path) -> None:
    """Slurm tells every process of a job; hidden volumes that were sent lie in the job's folder. No engine is there."""
    job, other = tmp_path / "feta-1" / "work", tmp_path / "storage"
    job.mkdir(parents=True)
    other.mkdir()
    program = (
        "from evaluation.cluster import reaper; import os; read = os.read; reaper.reap = lambda label: print(label); "
        "os.read = lambda *given: print('ready', flush=True) or read(*given); reaper.main()"
    )
    call = [sys.executable, "-c", program, "a=b", str(tmp_path)]
    started = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    started.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert job.exists()
    said, _ = started.communicate(timeout=60)
    assert (said.splitlines()[-1], started.returncode) == ("a=b", 0)
    assert list(tmp_path.iterdir()) == [other]
