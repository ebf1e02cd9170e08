"""A quota of CPU time sets the number of threads, however a control group says it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from feta.machine import heed_quota, usable_cores

ROOT = Path(__file__).parents[2]
CORES = 8
#: Files below the root, and how many of eight cores may be used.
MACHINES: dict[str, tuple[Mapping[str, str], int]] = {
    "no control groups": ({}, 8),
    "version 2, no quota": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "version 2, two": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    "version 2, one and a half": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
    "version 2, half": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "version 2, more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),
    "version 2, of a group above": (
        {
            "proc/self/cgroup": "0::/slurm/job1/step0\n",
            "sys/fs/cgroup/slurm/job1/step0/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slurm/job1/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/slurm/cpu.max": "max 100000\n",
        },
        3,
    ),
    "version 2, host's names": ({"proc/self/cgroup": "0::/docker/ab\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    "version 1, no quota": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/ab\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "version 1, in a container": (
        {
            "proc/self/cgroup": "4:cpuacct,cpu:/docker/ab\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
        },
        5,
    ),
    "version 1, of its own group": (
        {
            "proc/self/cgroup": "1:cpu:/batch/1\n",
            "sys/fs/cgroup/cpu/batch/1/cpu.cfs_quota_us": "100000\n",
            "sys/fs/cgroup/cpu/batch/1/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "nonsense": ({"proc/self/cgroup": "what\n0::/\n::\n", "sys/fs/cgroup/cpu.max": "a lot\n"}, 8),
    "a period of nothing": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"}, 8),
}


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_cores_by_the_quota(tmp_path: Path, name: str) -> None:
    files, expected = MACHINES[name]
    assert usable_cores(machine(tmp_path, files)) == expected


def test_a_quota_beyond_the_affinity_is_no_more_than_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_cores(machine(tmp_path, MACHINES["version 2, two"][0])) == 1


def test_libraries_that_are_loaded_later_and_those_that_are_loaded_heed_it(tmp_path: Path) -> None:
    """torch and numba by the environment; SimpleITK, which every command has loaded, by a call."""
    machine(tmp_path, MACHINES["version 2, two"][0])
    code = f"""
import os, pathlib
os.sched_getaffinity = lambda _: set(range(8))
import numpy, SimpleITK
from feta.machine import heed_quota
heed_quota(pathlib.Path({str(tmp_path)!r}))
import torch, numba
itk = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
print(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS, itk)
"""
    environment = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.stdout == "2 2 2\n", done.stderr


def test_what_the_user_asks_for_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for name in ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    heed_quota(machine(tmp_path, MACHINES["version 2, two"][0]))
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_without_a_quota_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    heed_quota(machine(tmp_path, MACHINES["version 2, no quota"][0]))
    assert "OMP_NUM_THREADS" not in os.environ
