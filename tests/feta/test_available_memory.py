"""The memory that a process can still have, however a control group limits it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from feta.machine import available_memory

GIB = 2**30
MEMINFO = {"proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {8 * 2**20} kB\n"}
#: Files below the root beside /proc/meminfo, and what can be had, GiB.
MACHINES: dict[str, tuple[Mapping[str, str], float]] = {
    "no control groups": ({}, 8),
    "version 2, no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 8),
    "version 2": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{GIB}\n",
        },
        3,
    ),
    "version 2, of a group above": (
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.current": "5\n",
            "sys/fs/cgroup/job/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/job/memory.current": f"{GIB}\n",
        },
        1,
    ),
    "version 2, used up": (
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5\n", "sys/fs/cgroup/memory.current": "9\n"},
        0,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "5:memory:/docker/ab\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{6 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
        },
        5,
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_least_of_machine_and_limits(name: str, tmp_path: Path) -> None:
    files, left = MACHINES[name]
    for path, text in {**MEMINFO, **files}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert available_memory(tmp_path) == left * GIB


def test_where_nothing_tells_there_is_no_limit(tmp_path: Path) -> None:
    assert available_memory(tmp_path) == sys.maxsize


def test_threads_that_wait_sleep_unless_the_user_wants_otherwise() -> None:
    code = "import os; from feta.machine import sleep_while_waiting as f; f(); print(os.environ['OMP_WAIT_POLICY'])"
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        call = [sys.executable, "-c", code]
        done = subprocess.run(
            call, env={"PATH": "", **given}, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
        )
        assert done.stdout == f"{expected}\n", done.stderr
