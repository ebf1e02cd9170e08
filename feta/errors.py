"""Errors whose message is meant for the user.

Anything else that is raised is a bug, and is logged with its traceback.
"""

from __future__ import annotations

from pathlib import Path


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
