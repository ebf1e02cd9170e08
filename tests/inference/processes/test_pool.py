"""Several processes that do tasks, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from feta.errors import FetaError, HostError
from inference.processes.death import NO_THREAD, DiedError
from inference.processes.pool import Pool
from inference.processes.worker import _begin
from tests.support.ended import ended
from tests.support.pool_tasks import Arriving, act

ROOT = Path(__file__).parents[3]
Tasks = Pool[str, str, object]


@pytest.fixture
def pool() -> Iterator[Tasks]:
    with Tasks(act, 2, 3) as pool:
        yield pool


def done(pool: Tasks, *tasks: str) -> dict[str, object]:
    """What came of tasks that are done at the same time."""
    for task in tasks:
        pool.give(task, task)
    return dict(pool.next() for _ in tasks)


def test_tasks_are_done_elsewhere_without_semaphores(pool: Tasks) -> None:
    pool.give("a", "tell")
    pool.give("b", "tell")
    assert pool.full
    answers = [pool.next()[1], pool.next()[1]]
    assert not pool.busy
    assert len({answer[0] for answer in answers if isinstance(answer, tuple)} - {os.getpid()}) == 2
    assert [answer[1:] for answer in answers if isinstance(answer, tuple)] == [("3", False)] * 2


def test_errors_arrive_as_what_they_were(pool: Tasks) -> None:
    refused, unforeseen = done(pool, "refuse", "unforeseen").values()
    odd = done(pool, "not picklable")["not picklable"]
    if isinstance(refused, KeyError):
        refused, unforeseen = unforeseen, refused
    assert type(refused) is FetaError
    assert (refused.subject, refused.problem, refused.remedy) == ("file", "is wrong", "correct it")
    assert isinstance(unforeseen, KeyError)
    assert unforeseen.args == ("something",)
    assert "pool_tasks.py" in unforeseen.__notes__[0]
    assert isinstance(odd, RuntimeError)
    assert str(odd) == "NotPicklableError: odd"


@pytest.mark.parametrize(("name", "killed"), [("SIGKILL", True), ("SIGTERM", True), ("SIGSEGV", False)])
def test_a_process_that_dies_takes_its_task_alone(pool: Tasks, name: str, killed: bool) -> None:
    outcomes = done(pool, name, "fine")
    death = outcomes[name]
    assert outcomes["fine"] == "fine"
    assert isinstance(death, DiedError)
    assert death.killed is killed
    assert ("memory" if killed else name) in str(death)
    assert done(pool, "one", "two") == {"one": "one", "two": "two"}


def test_ctrl_c_is_for_the_process_that_started_them(pool: Tasks) -> None:
    assert done(pool, "interrupt")["interrupt"] == "interrupt"


def test_fewer_at_a_time_ends_those_that_idle(pool: Tasks) -> None:
    told = done(pool, "tell")["tell"]
    assert isinstance(told, tuple)
    pool.shrink()
    assert pool.size == 1
    assert ended(told[0])
    pool.give("one", "one")
    assert pool.full


def test_sigterm_ends_a_process_at_once_while_it_imports() -> None:
    """An exception in an import may be swallowed, with a traceback on standard error."""
    with Tasks(Arriving(), 2, 1) as pool:
        pool.give("a", "a")
        assert pool.next() == ("a", True)


def test_no_process_to_be_had_is_one_clear_line(pool: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(HostError, match="no process can be started"):
        pool.give("a", "a")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(tmp_path: Path, how: signal.Signals) -> None:
    call = [sys.executable, "-m", "tests.support.pool_tasks", str(tmp_path)]
    with subprocess.Popen(call, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while len(list(tmp_path.iterdir())) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(how)
        began = time.monotonic()
        process.wait(timeout=30)
    assert all(ended(int(path.name)) for path in tmp_path.iterdir())
    assert time.monotonic() - began < 5


def test_a_process_that_can_start_no_thread_ends_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(SystemExit) as end:
        _begin(refuse)
    assert end.value.code == NO_THREAD
    assert not capsys.readouterr().err
