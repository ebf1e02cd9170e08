"""Several processes that draw: all is done, in any of them or in this one, and none of them dies with a traceback."""

from __future__ import annotations

import os
import signal

import pytest

from feta.errors import FetaError
from training.scanner import processes
from training.scanner.processes import in_processes, usual_jobs


def double(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_task_has_its_result_from_another_process() -> None:
    found = dict(in_processes(double, range(5), 2))
    assert {task: result[0] for task, result in found.items()} == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8}
    assert os.getpid() not in {result[1] for result in found.values()}


def test_one_process_is_this_one_and_goes_in_order() -> None:
    assert list(in_processes(double, [3, 1], 1)) == [(3, (6, os.getpid())), (1, (2, os.getpid()))]


def test_without_semaphores_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise FileNotFoundError("/dev/shm")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", forbidden)
    assert list(in_processes(double, [3, 1], 2)) == [(3, (6, os.getpid())), (1, (2, os.getpid()))]


def test_without_room_for_sockets_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise OSError("AF_UNIX path too long")  # of a long TMPDIR

    monkeypatch.setattr(processes.forkserver, "ensure_running", refused)
    processes.prepare(["json"])
    assert list(in_processes(double, [3, 1], 2)) == [(3, (6, os.getpid())), (1, (2, os.getpid()))]


def test_a_killed_process_is_one_clear_line() -> None:
    with pytest.raises(FetaError, match="memory was short"):
        list(in_processes(die, [1, 2], 2))


@pytest.mark.parametrize(("gigabytes", "jobs"), [(1, 1), (5, 2), (64, 4)])
def test_there_are_no_more_processes_than_cores_and_memory_allow(
    gigabytes: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "usable_cores", lambda: 4)
    monkeypatch.setattr(processes, "available_memory", lambda: gigabytes * 2**30)
    assert usual_jobs() == jobs


def test_processes_have_one_thread_of_what_would_wait_and_this_one_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[dict[str, str]] = []
    monkeypatch.setattr(processes.forkserver, "ensure_running", lambda: begun.append(dict(os.environ)))
    before = dict(os.environ)
    processes.prepare(["json"])
    assert begun[0]["OPENBLAS_NUM_THREADS"] == "1"
    assert dict(os.environ) == before
