"""What processes of ``inference.processes.pool`` are given to do in tests."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from feta.errors import FetaError
from inference.processes.pool import Pool


class NotPicklableError(Exception):
    """Can be made only with two arguments, of which pickle knows one."""

    def __init__(self, said: str, _more: str) -> None:
        super().__init__(said)


def act(task: str) -> object:
    """Do what a word says."""
    if task == "tell":
        return os.getpid(), os.environ["OMP_NUM_THREADS"], "multiprocessing.synchronize" in sys.modules
    if task == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if task == "sleep":
        time.sleep(300)
    if task == "refuse":
        raise FetaError("file", "is wrong", "correct it")
    if task == "unforeseen":
        raise KeyError("something")
    if task == "not picklable":
        raise NotPicklableError("odd", "")
    if task.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[task])
    return task


class Arriving:
    """Work that tells whether SIGTERM ended its process at once while it arrived there."""

    def __call__(self, task: str) -> object:
        raise AssertionError("it is another object that arrives")

    def __reduce__(self) -> tuple[Callable[[], Callable[[str], object]], tuple[()]]:
        return arrived, ()


def arrived() -> Callable[[str], object]:
    """What ``Arriving`` arrives as."""
    at_once = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    return lambda _task: at_once


def main(folder: Path) -> None:
    """Let two processes sleep, and leave their ids in a folder."""
    # Where the tests run in a shell's background, SIGINT is ignored from birth.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # By the module's name, under which another process finds it.
    with Pool[int, str, object](importlib.import_module("tests.support.pool_tasks").act, 2, 1) as pool:
        for number in (0, 1):
            pool.give(number, "tell")
        ids = [answer[0] for answer in (pool.next()[1], pool.next()[1]) if isinstance(answer, tuple)]
        for number in (0, 1):
            pool.give(number, "sleep")
        for number in ids:
            (folder / str(number)).touch()
        pool.next()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
