"""What a process takes of the machine: memory that it keeps, no more threads than it has cores, and a quick end.

Memory: by default glibc maps every block above some 32 MB anew and gives it back when it is freed, so that a network's
activations, which come and go hundreds of times a case, are zeroed by the kernel each time: two thirds of the time
of a run on two cores went there. With these settings freed memory stays with the process and is used again.

Cores: a container with ``--cpus 2``, or a job of a cluster, sees all cores of its machine, and libraries start a thread
for each. They then wait for each other and for the quota: several times slower than two threads. A thread that waits
for another sleeps: by default it spins, which beside other work takes the core from the very thread it waits for.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import math
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

#: Parameters of ``mallopt``, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
#: As much as mallopt takes, bytes: freed memory at the heap's end is kept up to this.
_KEPT = 2**31 - 1
#: The heap grows by so much at a time, bytes.
_GROWTH = 64 * 2**20


def keep_freed_memory() -> bool:
    """Let the process keep what it frees; to be called when a process starts, before it computes.

    One arena serves all threads: only the main one can hold large blocks, the others would map them.

    Returns:
        whether the settings were taken; elsewhere than with glibc memory is managed as usual.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT), (_M_TOP_PAD, _GROWTH), (_M_ARENA_MAX, 1))
    taken = [mallopt(parameter, value) == 1 for parameter, value in wanted]
    return all(taken)


#: What libraries read how many threads to start from, when they are loaded.
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
#: The function by which OpenBLAS, as numpy's and scipy's wheels bring it, is told so once it is loaded.
_OPENBLAS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


def usable_cores(root: Path = Path("/")) -> int:
    """How many cores this process may use at a time, at least 1: by its affinity and by the quota of its control group.

    Args:
        root: where /proc and /sys lie.
    """
    cores = len(os.sched_getaffinity(0))
    quota = _quota(root)
    # Of a quota of 1.5 cores two threads use more than one does.
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def allowed_threads() -> int:
    """How many threads to compute with: as many as OpenMP was allowed by the environment, or else a core each."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else len(os.sched_getaffinity(0))


def threads_by_environment(threads: int) -> dict[str, str]:
    """Variables for a process to be started, by which its libraries compute with so many threads."""
    return dict.fromkeys(_THREADS, str(threads))


def heed_quota(root: Path = Path("/")) -> None:
    """Let libraries start no more threads than a quota allows; to be called when a process starts.

    Without a quota nothing is changed. A number that the user has set in the environment stays.
    """
    cores = usable_cores(root)
    if cores == len(os.sched_getaffinity(0)):
        return
    for name in _THREADS:
        os.environ.setdefault(name, str(cores))
    # These two are loaded already.
    if (sitk := sys.modules.get("SimpleITK")) is not None:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(_asked_for("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", cores))
    for library in _loaded_openblas():
        for name in _OPENBLAS:
            if hasattr(library, name):
                getattr(library, name)(_asked_for("OPENBLAS_NUM_THREADS", cores))


def sleep_while_waiting() -> None:
    """Let threads of OpenMP sleep while they wait for others; to be called before torch is imported.

    What the user has set in the environment stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def end_quickly() -> None:
    """Let the process end without a last search of all its objects for such as hold each other; to be called once.

    Of torch's and numba's there are a million: with both imported the search took half a second, after all was done.
    """
    atexit.register(gc.freeze)


def begin_in_pool() -> None:
    """What a process of a pool of ``concurrent.futures`` begins with: it keeps freed memory, and ends with its parent.

    By itself such a process waits for its next task for ever, should the one that started it be killed.
    """
    # Imported here: no other process needs it.
    from multiprocessing import parent_process

    keep_freed_memory()
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    # Whatever it is busy with, nobody waits for that; files are written whole or not at all.
    os._exit(1)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still have: by the machine, and by the limits of its control group and those above.

    Args:
        root: where /proc and /sys lie.
    """
    rows = [line.split() for line in _text(root / "proc/meminfo").splitlines()]
    free = [int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:"]
    for mounted, group in _groups(root, "memory"):
        free += [left for folder in _up_to(mounted, group) if (left := _memory_left(folder)) is not None]
    return min(free, default=sys.maxsize)


def _memory_left(folder: Path) -> int | None:
    """What a control group may still take, by ``memory.max`` and ``memory.current``, or their names in version 1."""
    for limit, usage in (("max", "current"), ("limit_in_bytes", "usage_in_bytes")):
        numbers = [_text(folder / f"memory.{name}").strip() for name in (limit, usage)]
        if all(number.isdecimal() for number in numbers):
            return max(0, int(numbers[0]) - int(numbers[1]))
    return None


def _asked_for(name: str, cores: int) -> int:
    asked = os.environ.get(name, "")
    return int(asked) if asked.isdecimal() and int(asked) else cores


def _loaded_openblas() -> list[ctypes.CDLL]:
    try:
        mapped = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
        files = dict.fromkeys(line.split(maxsplit=5)[5] for line in mapped if "openblas" in line.lower())
        return [ctypes.CDLL(file) for file in files]
    except (OSError, IndexError):
        return []


def _quota(root: Path) -> float | None:
    """Cores by the quotas of this process's control group and all above it; None without one.

    Both versions: ``cpu.max`` ("200000 100000": microseconds in a period), and ``cpu.cfs_quota_us`` (-1: none) with
    ``cpu.cfs_period_us``. In a container the group's own folder is the root of what is mounted.
    """
    folders = [folder for mounted, group in _groups(root, "cpu") for folder in _up_to(mounted, group)]
    return min((quota for folder in folders if (quota := _quota_of(folder))), default=None)


def _up_to(mounted: Path, group: str) -> list[Path]:
    """The folder of a control group and of all above it, to where groups are mounted."""
    own = mounted / group
    return [folder for folder in (own, *own.parents) if folder == mounted or mounted in folder.parents]


def _groups(root: Path, controller: str) -> list[tuple[Path, str]]:
    """Where control groups of a controller are mounted, and this process's below there."""
    mounts = root / "sys/fs/cgroup"
    groups = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, group = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            groups.append((mounts, group.strip("/")))
            groups.append((mounts / "unified", group.strip("/")))
        elif controller in controllers.split(","):
            together = ["cpu,cpuacct"] if controller == "cpu" else []
            groups += [
                (mounts / name, group.strip("/")) for name in dict.fromkeys([controllers, controller, *together])
            ]
    return groups


def _quota_of(folder: Path) -> float | None:
    numbers = _text(folder / "cpu.max").split()
    if not numbers:
        numbers = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    if len(numbers) != 2 or not all(number.isdecimal() and int(number) for number in numbers):
        return None  # "max", "-1", or no such file
    return int(numbers[0]) / int(numbers[1])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
