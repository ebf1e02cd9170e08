"""End within seconds when told to, even in the middle of a long convolution.

Python runs a signal handler only between two bytecodes, and one call of torch can
last longer than the five seconds after which an engine kills a container. So a thread
also waits for the signal, and ends the process if the main thread has not done so.
Nothing is lost: every file is written whole or not at all.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: Seconds that the main thread gets to end by itself.
GRACE_SECONDS = 2.5
MESSAGE = "feta-infer: stopped; finished cases are kept, and the same call continues there"


_STEPS: list[Callable[[], None]] = []


class Stopped(BaseException):
    """SIGTERM was received. No ``Exception``, so that nothing takes it for a failed case."""


def stop_on_sigterm() -> None:
    """Raise ``Stopped`` in the main thread at SIGTERM; end the process if that takes too long.

    To be called early, from the main thread: as process 1 of a container there is no default action.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.signal(signal.SIGTERM, _raise)
    # The wake-up byte is written by the C handler at once, whatever the main thread is busy with.
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(receiver, sender), name="sigterm", daemon=True).start()


@contextmanager
def tidied(step: Callable[[], None]) -> Iterator[None]:
    """Have something done should the waiting thread end the process during a block: no ``finally`` is run then."""
    _STEPS.append(step)
    try:
        yield
    finally:
        _STEPS.remove(step)


@contextmanager
def deferred() -> Iterator[None]:
    """Let a stop wait for the end of a block: an exception while a compiled library is loaded aborts the process.

    Where the block takes longer than the grace, the waiting thread ends the process as usual.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not _raise:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, _raise)
    if came:
        raise Stopped


def exit_status(signal_number: int = signal.SIGTERM) -> int:
    """The status that a shell reports for a process ended by a signal."""
    return 128 + signal_number


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _watch(receiver: socket.socket, _sender: socket.socket) -> None:
    # Holds the sending end too, so that it stays open as long as this thread lives.
    while signal.SIGTERM not in receiver.recv(64):
        continue
    time.sleep(GRACE_SECONDS)
    for step in list(_STEPS):
        with suppress(Exception):  # the main thread may be doing the same
            step()
    # Not print: the main thread may hold the lock of standard error.
    os.write(2, f"{MESSAGE}\n".encode())
    os._exit(exit_status())
