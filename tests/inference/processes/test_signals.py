"""SIGTERM ends a run within five seconds, whatever it is busy with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.folders import make_tree, make_weights

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_in_the_middle_of_a_long_call(tmp_path: Path, workers: int) -> None:
    make_tree(tmp_path / "in", workers)
    calls = tmp_path / "calls"
    calls.mkdir()
    marker = tmp_path / "begun"
    environment = {
        **os.environ,
        "FETA_WEIGHTS": str(make_weights(tmp_path / "weights")),
        "FETA_TEST_BLOCK": str(marker),
        "FETA_TEST_CALLS": str(calls),
        "FETA_TEST_MEET": str(workers),
    }
    arguments = [str(tmp_path / "in"), str(tmp_path / "out"), "--no-qc", "--workers", str(workers)]
    command = [sys.executable, "-m", "tests.support.driver", *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not marker.exists():
            assert process.poll() is None
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        took = time.monotonic() - began
    assert took < 5
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    assert said.count("stopped") == 1
    assert not [path for path in calls.iterdir() if Path(f"/proc/{path.name.split('-')[0]}").exists()]
    assert not list((tmp_path / "out").rglob("*.part"))
    assert not list((tmp_path / "out").rglob("*_dseg*"))
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_stop_waits_for_the_end_of_a_deferring_block() -> None:
    program = """
import os, signal
from inference.processes.signals import Stopped, deferred, stop_on_sigterm
stop_on_sigterm()
try:
    with deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        print("whole block")
    print("not reached")
except Stopped:
    print("then stopped")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["whole block", "then stopped"]
