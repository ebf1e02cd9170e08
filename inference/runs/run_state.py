"""A run in progress: its settings and log, and what it says of networks and failures."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from feta.errors import FetaError
from feta.measurements import Measurement
from inference.biometry.lengths import Length
from inference.confidence.confidence import refused
from inference.processes.death import NO_THREAD, DiedError
from inference.runs.models import gpu_is_full
from inference.runs.progress import Reporter
from inference.runs.run_log import RunLog
from inference.runs.settings import Settings

ALL_FINE, SOME_FAILED, UNUSABLE = 0, 1, 2
_MEMORY_IS_FULL = re.compile("can't allocate memory|not enough memory", re.IGNORECASE)

#: What Python says where a limit on processes, which counts threads, is reached.
_NO_THREAD = "can't start new thread"
_MEMORY, _PROCESSES = "memory was short", "processes or threads were short"
_MORE_PROCESSES = "allow more processes (a container's --pids-limit, ulimit -u), or use --workers 1"


@dataclass
class Run:
    """A run in progress: its settings and its log."""

    settings: Settings
    log: RunLog
    report: Reporter
    key: dict[str, Any]
    lengths: dict[str, dict[Measurement, Length]] = field(default_factory=dict)
    status: int = ALL_FINE
    _said: bool = False

    def loaded(self, device: str, warnings: Iterable[str]) -> None:
        """Note where the networks compute and what is to be said of that, at the first call."""
        if not self._said:
            self._said = True
            self.log.device = device
            self.warn(warnings)

    def warn(self, lines: Iterable[str]) -> None:
        """Warn about the run as a whole."""
        lines = tuple(lines)
        self.log.warn(lines)
        for line in lines:
            self.report.line(f"warning: {line}")

    def fail(
        self, title: str, error: Exception, seconds: float = 0.0, age: float | None = None, *, judged: bool = True
    ) -> None:
        """Note a failed case, with a verdict where it is judged; a bug also shows its traceback."""
        self.status = SOME_FAILED
        message = describe(error)
        if not isinstance(error, FetaError | DiedError) and not shortage(error):
            for line in "".join(traceback.format_exception(error)).splitlines():
                self.report.line(line)
        self.report.line(f"error: {message}")
        known = {} if age is None else {"age": age}
        # What was refused for what it is has its verdict; a failure of the machine has none.
        verdict = refused(message).entry() if judged and isinstance(error, FetaError) else {}
        self.log.add(title, status="failed", seconds=round(seconds, 2), **known, error=message, **verdict)


def describe(error: Exception) -> str:
    """One line for the user."""
    if isinstance(error, FetaError):
        return str(error)
    if isinstance(error, DiedError):
        remedy = "free some" if error.killed else _MORE_PROCESSES if error.status == NO_THREAD else ""
        return f"{error}; {remedy}" if remedy else str(error)
    if _is_short_of_memory(error):
        return "not enough memory for this case; free some, or use --device cpu"
    if shortage(error):
        return f"no thread can be started; {_MORE_PROCESSES}"
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def shortage(outcome: object) -> str:
    """What a case was short of, as far as one can tell, so that it may be done beside fewer; empty for other errors."""
    if isinstance(outcome, DiedError):
        return _MEMORY if outcome.killed else _PROCESSES if outcome.unable else ""
    if not isinstance(outcome, Exception):
        return ""
    if _is_short_of_memory(outcome):
        return _MEMORY
    return _PROCESSES if isinstance(outcome, RuntimeError) and _NO_THREAD in str(outcome) else ""


def _is_short_of_memory(error: Exception) -> bool:
    full = isinstance(error, RuntimeError) and _MEMORY_IS_FULL.search(str(error)) is not None
    return isinstance(error, MemoryError) or full or gpu_is_full(error)
