"""run.json: what ran, on what, for how long, and what went wrong, be it one process's work or several's."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feta
from feta.files import write_atomically
from inference.runs.claims import Claims

NAME = "run.json"
#: The process that began when no other was at work.
FIRST = "first"
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

    Several processes that work on one folder at a time write one file together: each reads what the others have
    written, and adds its own. Cases of earlier runs into the folder that this one doesn't touch stay under "earlier".

    Attributes:
        path: the file; None keeps the log in memory only.
        settings: what the run was asked for.
        claims: who else is at work in the folder.
        titles: of this process's cases, in the order in which they are told; those of others come before.
        device: name of the processor; empty until the model is loaded.
        cases: what became of each case in this process, by title.
        warnings: about the run as a whole.
    """

    path: Path | None
    settings: dict[str, Any]
    claims: Claims = field(default_factory=lambda: Claims(None))
    titles: Sequence[str] = ()
    device: str = ""
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    process: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}")
    _earlier: dict[str, Any] = field(default_factory=dict)
    _begun: bool = False

    def add(self, title: str, **entry: Any) -> None:
        """Note what became of a case, and write the file."""
        self.cases[title] = entry
        self.write()

    def warn(self, lines: Iterable[str]) -> None:
        """Note warnings, each once."""
        self.warnings.extend(line for line in lines if line not in self.warnings)

    def of_others(self, title: str) -> dict[str, Any] | None:
        """What became of a case in another process that works, or worked, at the same time as this one."""
        if self.path is None or title in self.cases:
            return None
        with self.claims.log():
            return self._shared().get("cases", {}).get(title)

    def known(self) -> dict[str, dict[str, Any]]:
        """What the file says of every case of the folder, of earlier runs and of other processes as well, by title."""
        if self.path is None:
            return {}
        try:
            content = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return dict(self.cases)
        return {**content.get("earlier", {}), **content.get("cases", {})} if _is_ours(content) else dict(self.cases)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is not None:
            with self.claims.log():
                self._write(finished=False)

    def finish(self) -> None:
        """Write the file for the last time; the run is finished when its last process is."""
        if self.path is not None:
            with self.claims.log():
                self._write(finished=True)

    def _write(self, *, finished: bool) -> None:
        assert self.path is not None
        shared = self._shared()
        self._begun = True
        content = self._content(shared, last=finished and self.claims.part(), finished=finished)
        write_atomically(self.path, json.dumps(content, indent=1) + "\n")

    def _shared(self) -> dict[str, Any]:
        """What the processes of this run have written; nothing of an earlier run's, which is kept apart."""
        assert self.path is not None
        try:
            content = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            content = {}
        if not _is_ours(content):
            content = {}
        if self.claims.alone and not self._begun:
            self._earlier = {**content.get("earlier", {}), **content.get("cases", {})}
            return {}
        self._earlier = content.get("earlier", {})
        return content

    def _content(self, shared: dict[str, Any], *, last: bool, finished: bool) -> dict[str, Any]:
        """What run.json holds.

        Args:
            shared: what it held.
            last: whether no other process is at work any more.
            finished: whether this process came to its end.
        """
        theirs = shared.get("cases", {})
        # A case that another process has done is finished when this one comes to it.
        mine = {t: c for t, c in self.cases.items() if not (c["status"] == "skipped" and t in theirs)}
        places = {title: place for place, title in enumerate(self.titles)}
        cases = dict(sorted({**theirs, **mine}.items(), key=lambda item: places.get(item[0], -1)))
        started = min(self.started, _seconds(shared.get("started")) or self.started)
        content: dict[str, Any] = {
            "versions": versions(),
            "device": self.device,
            "settings": self.settings,
            "started": _time(started),
            "seconds": round(time.time() - started, 1),
            "finished": last,
            "warnings": list(dict.fromkeys([*shared.get("warnings", []), *self.warnings])),
            "failures": {title: c.get("error", "") for title, c in cases.items() if c.get("status") == "failed"},
            "cases": cases,
        }
        if earlier := {title: case for title, case in self._earlier.items() if title not in cases}:
            content["earlier"] = earlier
        if not self.claims.alone or "processes" in shared:
            processes = self._processes(shared, finished=finished)
            devices = [str(process["device"]) for process in processes.values() if process.get("device")]
            content |= {"processes": processes, "device": "; ".join(dict.fromkeys(devices))}
        return content

    def _processes(self, shared: dict[str, Any], *, finished: bool) -> dict[str, dict[str, Any]]:
        """Each process that works, or worked, at the same time as this one, and this one."""
        me: dict[str, Any] = {
            "started": _time(self.started),
            "seconds": round(time.time() - self.started, 1),
            "device": self.device,
            "settings": self.settings,
            "finished": finished,
        }
        # The first of them wrote alone until the second came.
        first = {name: shared[name] for name in me if name in shared} | {"finished": False}
        others: dict[str, dict[str, Any]] = shared.get("processes", {FIRST: first})
        return {**others, FIRST if self.claims.alone else self.process: me}


def verdicts_in(root: Path) -> list[str]:
    """The verdict of each case of the last run into a folder that has one; none where there is no run.json."""
    try:
        content = json.loads((root / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    found = [case.get("verdict") for case in content.get("cases", {}).values()] if _is_ours(content) else []
    return [verdict for verdict in found if isinstance(verdict, str)]


def _is_ours(content: Any) -> bool:
    """Whether what run.json holds can be added to."""
    if not isinstance(content, dict) or not isinstance(content.get("warnings", []), list):
        return False
    parts = [content.get(part, {}) for part in ("cases", "earlier", "processes")]
    return all(isinstance(part, dict) and all(isinstance(v, dict) for v in part.values()) for part in parts)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None
