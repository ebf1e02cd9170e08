"""A run in progress: its settings and log, its networks, and what it says of failures."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from feta.errors import FetaError
from feta.measurements import Measurement
from inference.biometry.lengths import Length, Measuring
from inference.confidence.confidence import refused
from inference.runs.models import LoadedOnce, Loader, Models, gpu_is_full
from inference.runs.progress import Reporter
from inference.runs.run_log import RunLog
from inference.runs.settings import Settings

ALL_FINE, SOME_FAILED, UNUSABLE = 0, 1, 2
_MEMORY_IS_FULL = re.compile("can't allocate memory|not enough memory", re.IGNORECASE)


@dataclass
class Run:
    """A run in progress: its settings, its log, and the networks once they are needed."""

    settings: Settings
    log: RunLog
    report: Reporter
    load: Loader
    measuring: Measuring
    key: dict[str, Any]
    lengths: dict[str, dict[Measurement, Length]] = field(default_factory=dict)
    status: int = ALL_FINE
    networks: LoadedOnce = field(init=False)
    _said: bool = False

    def __post_init__(self) -> None:
        self.networks = LoadedOnce(self.settings, self.load)

    def models(self) -> Models:
        """The networks, loaded at the first call, which also says what is to be said of them."""
        models = self.networks.models()
        if not self._said:
            self._said = True
            self.log.device = models.device
            self.warn(models.warnings)
        return models

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
        if not isinstance(error, FetaError) and not _memory_is_full(error):
            self.report.line("".join(traceback.format_exception(error)).rstrip())
        self.report.line(f"error: {message}")
        known = {} if age is None else {"age": age}
        # What was refused for what it is has its verdict; a failure of the machine has none.
        verdict = refused(message).entry() if judged and isinstance(error, FetaError) else {}
        self.log.add(title, status="failed", seconds=round(seconds, 2), **known, error=message, **verdict)


def describe(error: Exception) -> str:
    """One line for the user."""
    if isinstance(error, FetaError):
        return str(error)
    if _memory_is_full(error):
        return "not enough memory for this case; free some, or use --device cpu"
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def _memory_is_full(error: Exception) -> bool:
    full = isinstance(error, RuntimeError) and _MEMORY_IS_FULL.search(str(error)) is not None
    return isinstance(error, MemoryError) or full or gpu_is_full(error)
