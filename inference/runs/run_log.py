"""run.json: what ran, on what, for how long, and what went wrong."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feta
from feta.files import write_atomically

NAME = "run.json"
LIBRARIES = ("torch", "SimpleITK", "numpy", "scipy", "safetensors")


def versions() -> dict[str, str]:
    """Versions of this project, of Python and of the libraries that results depend on."""
    found = {"feta-submission": feta.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "unknown"
    return found


@dataclass
class RunLog:
    """The growing content of run.json, written anew after each case.

    Attributes:
        path: the file; None keeps the log in memory only.
        settings: what the run was asked for.
        device: name of the processor; empty until the model is loaded.
        cases: what became of each case, by title.
        warnings: about the run as a whole.
        finished: whether the run came to its end.
    """

    path: Path | None
    settings: dict[str, Any]
    device: str = ""
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    finished: bool = False
    started: float = field(default_factory=time.time)

    def add(self, title: str, **entry: Any) -> None:
        """Note what became of a case, and write the file."""
        self.cases[title] = entry
        self.write()

    def warn(self, lines: Iterable[str]) -> None:
        """Note warnings, each once."""
        self.warnings.extend(line for line in lines if line not in self.warnings)

    def content(self) -> dict[str, Any]:
        """What run.json holds."""
        return {
            "versions": versions(),
            "device": self.device,
            "settings": self.settings,
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "finished": self.finished,
            "warnings": self.warnings,
            "failures": {title: c["error"] for title, c in self.cases.items() if c["status"] == "failed"},
            "cases": self.cases,
        }

    def write(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is not None:
            write_atomically(self.path, json.dumps(self.content(), indent=1) + "\n")
