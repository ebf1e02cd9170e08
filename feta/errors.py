"""Errors whose message is meant for the user.

Anything else that is raised is a bug, and is logged with its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

#: Errors of the operating system that no file is to blame for: disk or quota full, no handles or memory left.
_HOST_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS})

#: Moves a terminal's cursor, or turns the direction of writing.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(name: str) -> str:
    """A name without what can't be written or would move a terminal's cursor."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", os.fsencode(name).decode("utf-8", "replace"))


class FetaError(Exception):
    """Unusable input, in one line: the file, what is wrong, what to do.

    Args:
        subject: the file, folder or option that is at fault.
        problem: what is wrong with it.
        remedy: what the user can do about it.
    """

    def __init__(self, subject: str | Path, problem: str, remedy: str = "") -> None:
        self.subject = str(subject)
        self.problem = problem
        self.remedy = remedy
        line = f"{self.subject}: {problem}"
        if remedy:
            line += f"; {remedy}"
        # One line whatever a file's name holds: messages go to logs and tables.
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[type[FetaError], tuple[str, str, str]]:
        """As it is sent from one process to another."""
        return type(self), (self.subject, self.problem, self.remedy)


class HostError(FetaError):
    """A fault of this machine: no case and no team is charged with it. The run ends, and goes on when called again."""


def installed_by(extra: str) -> str:
    """The remedy where a package of an extra is missing. No index of packages has this project: its folder is named."""
    return f'in the repository\'s folder: make .venv, or pip install ".[{extra}]"'


def is_hosts_fault(error: OSError | ValueError) -> bool:
    """Whether an error is the machine's rather than the file's that was to be read or written."""
    return isinstance(error, OSError) and error.errno in _HOST_ERRORS


def error_kind(error: OSError | ValueError) -> type[FetaError]:
    """The class to raise for an error of the operating system: the machine's fault, or the file's."""
    return HostError if is_hosts_fault(error) else FetaError
