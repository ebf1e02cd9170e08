"""Several processes that draw: one brain at a time in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import forkserver, get_context
from typing import TypeVar

from feta.errors import FetaError
from feta.machine import available_memory, begin_in_pool, usable_cores

Task = TypeVar("Task")
Result = TypeVar("Result")
#: What a process that draws may take, bytes; at voxels of 0.5 mm one took 1.5 GB.
_MEMORY = 2 * 2**30
#: How many threads libraries start.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def usual_jobs() -> int:
    """As many processes as there are cores, if there is memory for them."""
    return max(1, min(usable_cores(), available_memory() // _MEMORY))


def prepare(modules: Sequence[str]) -> None:
    """Begin to import what processes will need, beside this process: it is then there in each as soon as it starts.

    They are forked from a process that has imported it and nothing else: this one may have threads by then.

    Args:
        modules: their names.
    """
    # One thread each, or they would wait for each other; not torch's: what a network rounds hangs on their number.
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        get_context("forkserver").set_forkserver_preload(["__main__", *modules])
        with suppress(OSError):  # then there are no other processes
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def in_processes(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Result]]:
    """Do tasks, yielding each with its result as soon as it is done, in whatever order.

    Args:
        work: what a task is done by; it must be picklable, and its results must not depend on where it runs.
        tasks: those begun first come first.
        jobs: processes; with one, or where there can be no others, all is done in this one.

    Raises:
        FetaError: a process was killed.
    """
    pool = _pool(min(jobs, len(tasks)))
    if pool is None:
        yield from ((task, work(task)) for task in tasks)
        return
    with pool:
        waiting = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            problem = "one of its processes was killed, most likely since memory was short"
            raise FetaError("--jobs", problem, "name fewer; what is finished is kept") from error
        finally:  # after an error there is no use in doing the rest
            pool.shutdown(cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor | None:
    """None for one process, and where what processes need is missing.

    That is semaphores (/dev/shm), and a folder for temporary files whose path leaves room for a socket's name.
    """
    if jobs < 2:
        return None
    try:
        forkserver.ensure_running()
        return ProcessPoolExecutor(jobs, mp_context=get_context("forkserver"), initializer=begin_in_pool)
    except OSError:
        return None
