"""A small challenge on a cluster of real workers and containers: to the same end as on one machine, killed or not."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.cluster.certificates import make_certificates
from evaluation.harness.record import ENCRYPTED, read_run_record
from tests.support import images, rivals
from tests.support.cluster import ClusterHere, free_port, outcome
from tests.support.rivals import Rival

TEAMS = (Rival("best"), Rival("crashes", "crash"), Rival("third", "slow", maps="2.0", convention="folder-all"))


def slurm_answers() -> bool:
    """Whether a controller of Slurm answers, and dask-jobqueue is there to ask it."""
    if not shutil.which("sinfo") or importlib.util.find_spec("dask_jobqueue") is None:
        return False
    return subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=20, check=False).returncode == 0


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Input, truth, a roster, and what the run comes to on this machine."""
    root = tmp_path_factory.mktemp("challenge")
    rivals.write_cohort(root, 2)
    rivals.write_roster(root / "roster.yaml", TEAMS, {"case_seconds": 60}, parallel=2)
    assert rivals.evaluate(*arguments(root, "alone")).returncode == 1
    return root


def arguments(root: Path, output: str) -> tuple[object, ...]:
    return "run", root / "roster.yaml", root / "input", root / output


def test_killed_workers_and_a_killed_client_change_nothing(challenge: Path, tmp_path: Path) -> None:
    """The same call again continues; with the input sent, and no folder shared."""
    with ClusterHere(tmp_path / "cluster") as cluster:
        call = (*arguments(challenge, "killed"), *cluster.options(), "--send")
        client = subprocess.Popen(
            rivals.command(*call), cwd=images.ROOT, env=rivals.quiet(), stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert client.stderr is not None
        assert "best" in client.stderr.readline()
        cluster.kill("worker-0")
        client.kill()
        client.communicate()
        done = rivals.evaluate(*call)
        assert done.returncode == 1, done.stderr
    assert outcome(challenge / "killed") == outcome(challenge / "alone")
    assert rivals.left_behind(challenge / "killed") == []
    (place,) = read_run_record(challenge / "killed" / "submissions").places
    assert place.way == ENCRYPTED


@pytest.mark.skipif(not slurm_answers(), reason="no controller of Slurm answers, or dask-jobqueue is missing")
def test_slurm_starts_the_workers(challenge: Path, tmp_path: Path) -> None:
    """By the example, as it is."""
    make_certificates(tmp_path / "certificates", days=1)
    port = free_port()
    options = ["--workers", "2", "--port", f"{port}", "--cores", "1", "--memory-gb", "1"]
    example = [sys.executable, str(images.ROOT / "examples/cluster/slurm.py"), str(tmp_path / "certificates"), *options]
    starter = subprocess.Popen(
        example, cwd=tmp_path, env={**rivals.quiet(), "PYTHONPATH": ":".join([str(images.ROOT), *sys.path[1:]])},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert starter.stdout is not None
        address = starter.stdout.readline().partition(": ")[0]
        there = ("--scheduler", address, "--certificates", tmp_path / "certificates")
        done = rivals.evaluate(*arguments(challenge, "slurm"), *there)
        assert done.returncode == 1, done.stderr
    finally:
        starter.terminate()
        starter.wait(60)
    assert outcome(challenge / "slurm") == outcome(challenge / "alone")
    assert rivals.left_behind(challenge / "slurm") == []
