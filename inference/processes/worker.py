"""The other end of ``inference.processes.pool``: a process that does one task after the other."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from feta.errors import FetaError
from feta.files import follow_links
from feta.machine import end_quickly, keep_freed_memory
from inference.processes.death import NO_THREAD
from inference.processes.signals import Stopped, exit_status, stop_on_sigterm


def main(descriptor: int) -> None:
    """Do what comes through a socket, until its other end is closed or SIGTERM comes.

    Args:
        descriptor: of the socket.
    """
    try:
        keep_freed_memory()
        end_quickly()
        connection = Connection(descriptor)
        # Imports much. Until that is done SIGTERM ends the process at once: an import may swallow an exception.
        links, work = connection.recv()
        _begin(stop_on_sigterm)
        follow_links(links)
        _serve(connection, work)
    except (EOFError, OSError):  # nobody is there any more to take what is done
        sys.exit(exit_status())
    except Stopped:
        sys.exit(exit_status())


def _begin(thread: Callable[[], None]) -> None:
    try:
        thread()
    except RuntimeError:  # by a limit on processes, which counts threads
        sys.exit(NO_THREAD)


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    tasks: SimpleQueue[Any] = SimpleQueue()
    _begin(threading.Thread(target=_receive, args=(connection, tasks), name="tasks", daemon=True).start)
    while True:
        connection.send(_answer(work, tasks.get()))


def _receive(connection: Connection, tasks: SimpleQueue[Any]) -> None:
    """Pass on tasks; the end of the process that gives them, however it ends, is the end of this one."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _answer(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except FetaError as error:
        return error
    except Exception as error:
        # Where it happened is lost on the way.
        error.add_note("".join(traceback.format_exception(error)).rstrip())
        return error if _arrives(error) else _in_words(error)


def _arrives(error: Exception) -> bool:
    try:
        return isinstance(pickle.loads(pickle.dumps(error)), type(error))
    except Exception:
        return False


def _in_words(error: Exception) -> Exception:
    words = RuntimeError(f"{type(error).__name__}: {error}")
    for note in error.__notes__:
        words.add_note(note)
    return words
