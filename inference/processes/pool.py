"""Tasks done by several processes, one task at a time in each.

Not by multiprocessing's pool or that of concurrent.futures: their queues need POSIX semaphores and thus a writable
/dev/shm, which a container behind walls may lack. Here a pair of sockets leads to each process.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, Self, TypeVar

from feta.errors import HostError
from feta.files import links_are_followed
from feta.machine import threads_by_environment
from inference.processes.death import DiedError
from inference.processes.signals import tidied

Key = TypeVar("Key")
Task = TypeVar("Task")
Answer = TypeVar("Answer")
#: Seconds for all processes to end by themselves; less than what the main thread itself gets.
_GRACE_SECONDS = 2.0
#: Within so many seconds this process is told to stop as well, where somebody stops all of them.
_TOGETHER_SECONDS = 1.0
#: A process starts as this one was started, but for what is run.
_START = "import sys; sys.path[:] = {path!r}; from inference.processes.worker import main; main({descriptor})"


@dataclass
class _Member(Generic[Key]):
    process: subprocess.Popen[bytes]
    connection: Connection
    busy_with: Key | None = None


class Pool(Generic[Key, Task, Answer]):
    """Processes that are started when they are needed, to be used as a context; they end with it, or with this process.

    Args:
        work: does a task; each process gets a copy, so that it must be picklable.
        size: how many processes at most; may be lowered.
        threads: for each of them to compute with.
    """

    def __init__(self, work: Callable[[Task], Answer], size: int, threads: int) -> None:
        self.work, self.size = work, size
        self._environment = {**os.environ, **threads_by_environment(threads)}
        self._members: list[_Member[Key]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(tidied(self._kill))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self._end(self._members)

    @property
    def busy(self) -> int:
        """How many tasks are being done."""
        return sum(member.busy_with is not None for member in self._members)

    @property
    def full(self) -> bool:
        """Whether a task has to end before another one can be given."""
        return self.busy >= self.size

    def give(self, key: Key, task: Task) -> None:
        """Let a process do a task.

        Args:
            key: by which the answer is told from others.
            task: picklable.

        Raises:
            HostError: no process can be started.
        """
        member = next((m for m in self._members if m.busy_with is None), None) or self._started()
        member.busy_with = key
        with suppress(OSError):  # it has ended meanwhile, which is found out next
            member.connection.send(task)

    def next(self) -> tuple[Key, Answer | Exception]:
        """Wait for the end of a task; its answer, or why there is none.

        Returns:
            the task's key, and what ``work`` gave or raised; DiedError where its process is no more.
        """
        ready = wait([member.connection for member in self._members if member.busy_with is not None])
        member = next(member for member in self._members if member.connection in ready)
        key, member.busy_with = member.busy_with, None
        assert key is not None
        try:
            answer: Answer | Exception = member.connection.recv()
        except (EOFError, OSError):
            answer = self._death_of(member)
        return key, answer

    def shrink(self) -> None:
        """From now on one task less at a time than are being done, at least one; processes that idle end."""
        self.size = max(1, self.busy)
        self._end([member for member in self._members if member.busy_with is None])

    def _started(self) -> _Member[Key]:
        here, there = socket.socketpair()
        command = [sys.executable, "-c", _START.format(path=sys.path, descriptor=there.fileno())]
        # Ctrl-C in a terminal goes to all processes of the call: what becomes of this one's is for it to say.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=self._environment, pass_fds=[there.fileno()]
            )
        except OSError as error:
            here.close()
            raise HostError("--workers", f"no process can be started ({error.strerror})", "use --workers 1") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            there.close()
        member: _Member[Key] = _Member(process, Connection(here.detach()))
        self._members.append(member)
        with suppress(OSError):  # as above
            member.connection.send((links_are_followed(), self.work))
        return member

    def _death_of(self, member: _Member[Key]) -> DiedError:
        self._end([member])
        error = DiedError(member.process.returncode)
        if error.terminated:
            time.sleep(_TOGETHER_SECONDS)
        return error

    def _end(self, members: list[_Member[Key]]) -> None:
        """Let processes end, at once if they idle and else as SIGTERM lets them, and kill what is left of them."""
        for member in members:
            if member.busy_with is None:
                member.connection.close()
            else:
                member.process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for member in list(members):
            try:
                member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            member.connection.close()
            self._members.remove(member)

    def _kill(self) -> None:
        for member in self._members:
            member.process.kill()
