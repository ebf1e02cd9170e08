"""SIGTERM ends a run within five seconds, whatever it is busy with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.folders import make_tree, make_weights

ROOT = Path(__file__).parents[3]


def test_sigterm_in_the_middle_of_a_long_call(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 1)
    marker = tmp_path / "begun"
    environment = {
        **os.environ,
        "FETA_WEIGHTS": str(make_weights(tmp_path / "weights")),
        "FETA_TEST_BLOCK": str(marker),
    }
    command = [sys.executable, "-m", "tests.support.driver", str(tmp_path / "in"), str(tmp_path / "out"), "--no-qc"]
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
    assert "stopped" in said
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
