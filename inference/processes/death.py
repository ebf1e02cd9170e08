"""How a process ended that was to do a task."""

from __future__ import annotations

import signal

from inference.processes.signals import exit_status


class DiedError(Exception):
    """A process ended before its task was done.

    Args:
        status: as subprocess gives it: negative for a signal.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        reason = "was killed, most likely since memory was short" if self.killed else f"ended by {_said(status)}"
        super().__init__(f"its process {reason}")

    @property
    def killed(self) -> bool:
        """Whether somebody ended it, as the system does where memory is short, or a guard before that, by SIGTERM."""
        return self.status == -signal.SIGKILL or self.terminated

    @property
    def terminated(self) -> bool:
        """Whether that was SIGTERM."""
        return self.status in (-signal.SIGTERM, exit_status())


def _said(status: int) -> str:
    """A status in words, such as 'SIGSEGV'."""
    if status >= 0:
        return f"itself with status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
