"""A run in progress: its settings and log, its networks, and what it says of failures."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from feta.errors import FetaError
from feta.measurements import Measurement
from inference.biometry.lengths import Length, Measuring
from inference.runs.models import Loader, Models
from inference.runs.progress import Reporter
from inference.runs.run_log import RunLog
from inference.runs.settings import Settings

ALL_FINE, SOME_FAILED, UNUSABLE = 0, 1, 2
#: How torch and the libraries below it say that a GPU's memory is used up, where it is no OutOfMemoryError.
_GPU_IS_FULL = re.compile(
    "(CUDA|HIP|MPS)\\b.*out of memory|CU(DNN|BLAS|SOLVER|FFT)_STATUS_ALLOC_FAILED|MemoryAllocation"
)
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
    _models: Models | None = None
    _on_cpu: Models | None = None

    def models(self) -> Models:
        """The networks, loaded at the first call; on the CPU where the GPU has no room for them."""
        if self._models is None:
            self._models = self._loaded()
            self.log.device = self._models.device
            self.warn(self._models.warnings)
        return self._models

    def models_on_cpu(self) -> Models:
        """The networks for a case that the GPU's memory is too small for, loaded at the first call."""
        _free_gpu()
        if self._on_cpu is None:
            self._on_cpu = self.load(replace(self.settings, device="cpu"))
        return self._on_cpu

    def _loaded(self) -> Models:
        try:
            return self.load(self.settings)
        except Exception as error:
            if not gpu_is_full(error):
                raise
        models = self.models_on_cpu()
        said = "the GPU's memory is too small, or others have it: computing on the CPU instead, which is slower"
        return replace(models, warnings=(*models.warnings, said))

    def warn(self, lines: Iterable[str]) -> None:
        """Warn about the run as a whole."""
        lines = tuple(lines)
        self.log.warn(lines)
        for line in lines:
            self.report.line(f"warning: {line}")

    def fail(self, title: str, error: Exception, seconds: float = 0.0, age: float | None = None) -> None:
        """Note a failed case; a bug also shows its traceback."""
        self.status = SOME_FAILED
        message = describe(error)
        if not isinstance(error, FetaError) and not _memory_is_full(error):
            self.report.line("".join(traceback.format_exception(error)).rstrip())
        self.report.line(f"error: {message}")
        known = {} if age is None else {"age": age}
        self.log.add(title, status="failed", seconds=round(seconds, 2), **known, error=message)


def gpu_is_full(error: Exception) -> bool:
    """Whether an error says that a GPU's memory is too small for what was asked of it."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported for this
        return True
    return isinstance(error, RuntimeError) and _GPU_IS_FULL.search(str(error)) is not None


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


def _free_gpu() -> None:
    """Give back what torch keeps of the GPU's memory for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
