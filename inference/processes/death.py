"""How a process ended that was to do a task."""

from __future__ import annotations

import os
import signal

from inference.processes.signals import exit_status

#: The status of a process that could not start the threads that it needs itself.
NO_THREAD = os.EX_OSERR


class DiedError(Exception):
    """A process ended before its task was done.

    Args:
        status: as subprocess gives it: negative for a signal.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"its process {_reason(self)}")

    @property
    def killed(self) -> bool:
        """Whether somebody ended it, as the system does where memory is short, or a guard before that, by SIGTERM."""
        return self.status == -signal.SIGKILL or self.terminated

    @property
    def terminated(self) -> bool:
        """Whether that was SIGTERM."""
        return self.status in (-signal.SIGTERM, exit_status())

    @property
    def unable(self) -> bool:
        """Whether it ended itself: it could start no thread, or a library that could not gave up, as libgomp does."""
        return self.status > 0 and not self.terminated


def _reason(death: DiedError) -> str:
    if death.killed:
        return "was killed, most likely since memory was short"
    return "could start no thread" if death.status == NO_THREAD else f"ended by {_said(death.status)}"


def _said(status: int) -> str:
    """A status in words, such as 'SIGSEGV'."""
    if status >= 0:
        return f"itself with status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
