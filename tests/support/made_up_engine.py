"""An engine without containers, for tests and benchmarks of what hands them work: a "container" sleeps and writes.

What it writes depends on image and input alone, so that two runs can be compared file by file. An image is called
``good``, ``slow``, ``crash`` or ``silent``, with a number after a colon. ``python -m`` a dask worker with ``--preload
tests.support.made_up_engine`` uses it in place of the real one.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

from evaluation.harness.engine import Ended
from evaluation.harness.engine_errors import GoneError, RefusedError
from evaluation.harness.engine_offers import EngineOffers
from feta.errors import FetaError

#: Seconds of a slow container; and of every other, from the environment.
SLOW = 60.0
NAMES = (
    "evaluation.harness.workers", "evaluation.cluster.remote", "evaluation.cluster.facts", "evaluation.cluster.kept",
)  # fmt: skip


class MadeUpEngine:
    """All instances of a process are connections to one engine."""

    containers: ClassVar[dict[str, dict[str, Any]]] = {}
    volumes: ClassVar[dict[str, dict[str, bytes]]] = {}
    labels: ClassVar[dict[str, Mapping[str, str]]] = {}
    #: Every submission's container that was ever started: its labels.
    started: ClassVar[list[Mapping[str, str]]] = []
    said: ClassVar[EngineOffers] = EngineOffers(cpus=64, memory=1 << 40, engine="made up")
    missing: ClassVar[set[str]] = set()
    problem: ClassVar[str] = ""
    #: Called with a container's labels when it is started.
    on_start: ClassVar[Callable[[Mapping[str, str]], None] | None] = None
    guard: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self) -> None:
        if self.problem:
            raise FetaError("container engine", self.problem)

    @classmethod
    def reset(cls) -> None:
        """As new, and without anything."""
        for things in (cls.containers, cls.volumes, cls.labels, cls.missing):
            things.clear()
        cls.started.clear()
        cls.said, cls.problem, cls.on_start = EngineOffers(cpus=64, memory=1 << 40, engine="made up"), "", None

    def offers(self) -> EngineOffers:
        return self.said

    def image_id(self, name: str) -> str:
        if name in self.missing:
            raise GoneError(name, "no such image here")
        return f"sha256:{name.encode().hex()}" if not name.startswith("sha256:") else name

    def declared_volumes(self, image_id: str) -> list[str]:
        return []

    def make_volume(self, arguments: Mapping[str, Any]) -> None:
        with self.guard:
            self.volumes[arguments["name"]] = {}
            self.labels[arguments["name"]] = arguments["labels"]

    def start(self, arguments: dict[str, Any]) -> str:
        if self.on_start and "feta.case" in arguments["labels"]:
            type(self).on_start(arguments["labels"])  # type: ignore[misc]
        if self.problem:
            raise FetaError("container engine", self.problem)
        name = uuid.uuid4().hex
        with self.guard:
            self.containers[name] = {**arguments, "begun": time.monotonic()}
            self.labels[name] = arguments["labels"]
            if "feta.case" in arguments["labels"]:
                self.started.append(arguments["labels"])
        return name

    def wait(self, container: str, seconds: float) -> bool:
        image = self._image(container)
        takes = SLOW if image.startswith("slow") else float(os.environ.get("MADE_UP_SECONDS", "0"))
        ends = self.containers[container]["begun"] + takes
        until = min(ends, time.monotonic() + seconds)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
            self._image(container)
        if until < ends:
            return False
        if not image.startswith(("silent", "crash")):
            self._write(self.containers[container], image)
        return True

    def _image(self, container: str) -> str:
        with self.guard:
            if container not in self.containers:
                raise RefusedError("no such container")
            return bytes.fromhex(self.containers[container]["image"].removeprefix("sha256:")).decode()

    def _write(self, arguments: dict[str, Any], image: str) -> None:
        mounts = {mount["Target"]: mount["Source"] for mount in arguments["mounts"]}
        results = self.volumes[mounts["/output"]]
        for path in sorted(Path(mounts["/input"]).rglob("*_T2w.nii.gz")):
            name = path.name.removesuffix(".nii.gz")
            subject = name.partition("_")[0]
            said = gzip.compress(f"{image} of {name} {path.stat().st_size}".encode(), mtime=0)
            results[f"{subject}/anat/{name}_dseg.nii.gz"] = said
            results[f"{subject}/anat/{name}_biom.csv"] = b"a,table\n"

    def runs(self, container: str) -> bool:
        return container in self.containers

    def kill(self, container: str) -> None:
        return None

    def usage(self, container: str) -> str:
        return "1 processes, 1 MB"

    def load(self, container: str) -> tuple[int, int] | None:
        return (1, 1 << 20) if container in self.containers else None

    def ended(self, container: str) -> Ended:
        return Ended(3 if self._image(container).startswith("crash") else 0, False, 2.0)

    def log(self, container: str) -> bytes:
        return f"I am {self._image(container)}\n".encode()

    def remove(self, container: str) -> None:
        with self.guard:
            self.containers.pop(container, None)
            self.labels.pop(container, None)

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        with self.guard:
            mounts = {mount["Target"]: mount["Source"] for mount in self.containers[container]["mounts"]}
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name, content in self.volumes[mounts[folder]].items():
                entry = tarfile.TarInfo(f"held/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        yield data.getvalue()

    def put(self, container: str, folder: str, archive: IO[bytes]) -> None:
        raise NotImplementedError

    def remove_labelled(self, label: str) -> int:
        key, _, value = label.partition("=")
        with self.guard:
            names = [name for name, own in self.labels.items() if own.get(key) == value]
            gone = sum(name in self.containers for name in names)
            for name in names:
                for things in (self.containers, self.volumes, self.labels):
                    things.pop(name, None)  # type: ignore[attr-defined]
        return gone

    def close(self) -> None:
        return None


def dask_setup(worker: Any) -> None:
    """What ``--preload`` calls in a worker."""
    import importlib

    for name in NAMES:
        importlib.import_module(name).Engine = MadeUpEngine  # type: ignore[attr-defined]
    remote = importlib.import_module("evaluation.cluster.remote")
    remote.start_reaper = lambda label, folder: None  # type: ignore[attr-defined]
