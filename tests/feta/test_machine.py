"""Large arrays that come and go cost no page faults, however the product is started."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feta import machine
from tests.support.ended import ended

ROOT = Path(__file__).parents[2]
#: Arrays of 64 MB, made and freed fifty times; prints the page faults of all but the first. Without huge pages
#: (PR_SET_THP_DISABLE), of which the kernel gives some at times and which take 512 faults at once.
CHURN = """
import ctypes, resource
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)
import numpy as np
{before}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**26, np.uint8)
began = faults()
for _ in range(50):
    np.ones(2**26, np.uint8)
print(faults() - began)
"""
PAGES = 2**26 // 4096


def faults(before: str) -> int:
    code = CHURN.format(before=before)
    # Huge pages, where the kernel has some free, would hide what is counted.
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_freed_memory_is_used_again() -> None:
    assert faults("from feta.machine import keep_freed_memory; assert keep_freed_memory()") < PAGES


def test_without_it_every_array_costs_page_faults() -> None:
    """What the test above holds against: otherwise it could not fail."""
    assert faults("") > PAGES


def test_other_c_libraries_go_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: object())
    assert machine.keep_freed_memory() is False


def test_what_is_left_at_the_end_is_not_looked_through() -> None:
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()));"
    code += "from feta.machine import end_quickly; end_quickly(); print(gc.get_freeze_count())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before == 0 < after


EVERY = ("keep_freed_memory", "end_quickly")
TORCHS = (*EVERY, "heed_quota", "sleep_while_waiting")


@pytest.mark.parametrize(
    ("command", "step"),
    [
        (command, step)
        for command, steps in (("inference.cli", TORCHS), ("evaluation.cli", EVERY), ("training.cli", TORCHS))
        for step in steps
    ],
)
def test_every_command_begins_with_it(command: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Begun(Exception):
        pass

    def begin() -> None:
        raise Begun

    module = importlib.import_module(command)
    for name in TORCHS:
        if hasattr(module, name):  # not what it does to the process of the tests
            monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(module, step, begin)
    monkeypatch.setattr(sys, "argv", ["feta", "--help"])
    with pytest.raises(Begun):
        module.main()


@pytest.mark.parametrize("which", ["evaluation", "training"])
def test_processes_of_a_pool_end_with_the_one_that_started_them(which: str, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "tests.support.sleepers", which, str(tmp_path)]
    with subprocess.Popen(call, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while len(list(tmp_path.iterdir())) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert all(ended(int(path.name)) for path in tmp_path.iterdir())
