"""A dask cluster of processes on this machine, encrypted as real ones are; its parts can be killed and begun again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from evaluation.cluster.certificates import files_of, make_certificates
from tests.support import images, rivals

_PATIENCE_SECONDS = 300.0
#: Dask's pages know no certificates.
PAGES = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def free_port() -> int:
    """A port that nobody listens at now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def program(role: str) -> list[str]:
    """``dask scheduler`` or ``dask worker``, as this interpreter runs it."""
    return [sys.executable, "-m", f"distributed.cli.dask_{role}"]


def role_options(certificates: Path, role: str) -> list[str]:
    """The options by which a scheduler or a worker shows its certificate."""
    authority, certificate, key = files_of(certificates, role)
    return ["--tls-ca-file", str(authority), "--tls-cert", str(certificate), "--tls-key", str(key)]


class ClusterHere:
    """A scheduler and workers; a context manager that ends them all.

    Args:
        folder: a new one, for certificates, logs, and what workers work on.
        environments: of each worker, beside this process's.
        options: of each worker.
    """

    def __init__(
        self, folder: Path, environments: Sequence[Mapping[str, str]] = ({}, {}), options: Sequence[str] = ()
    ) -> None:
        self.certificates, self._folder = folder / "certificates", folder
        self._environments, self._options = environments, options
        folder.mkdir(parents=True, exist_ok=True)
        make_certificates(self.certificates, days=1)
        self._port = free_port()
        self.address = f"tls://127.0.0.1:{self._port}"
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ClusterHere:
        self.mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in reversed(self.parts):
            self.parts[name].terminate()
        for part in self.parts.values():
            try:
                part.wait(30)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()

    def options(self) -> tuple[object, ...]:
        """What ``feta-evaluate run`` is told."""
        return "--scheduler", self.address, "--certificates", self.certificates

    def mend(self) -> None:
        """Start what is not there, as an init system would, and wait until the scheduler listens."""
        self._start("scheduler", [*program("scheduler"), "--port", str(self._port), *PAGES], {})
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                break
            assert time.monotonic() < end, self.log("scheduler")
            time.sleep(0.1)
        for number, environment in enumerate(self._environments):
            call = [*program("worker"), self.address, "--nthreads", "1", "--memory-limit", "0", *PAGES, *self._options]
            self._start(f"worker-{number}", [*call, "--local-directory", str(self._folder / f"{number}")], environment)

    def _start(self, name: str, call: list[str], environment: Mapping[str, str]) -> None:
        if name in self.parts and self.parts[name].poll() is None:
            return
        call = [*call, "--host", "127.0.0.1", "--protocol", "tls", *role_options(self.certificates, name.split("-")[0])]
        with (self._folder / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                call, cwd=images.ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": _path(), "OMP_NUM_THREADS": "1", **environment},
            )  # fmt: skip

    def kill(self, name: str, *, nanny: bool = False) -> list[int]:
        """Kill a part; of a worker the process that works, once there is one, and on wish the one that watches it.

        Returns:
            The processes that were killed. They are gone.
        """
        part, end, works = self.parts[name], time.monotonic() + _PATIENCE_SECONDS, list[int]()
        if name != "scheduler":
            while not (works := children(part.pid)):
                # It may be starting, or ending by itself: where its scheduler is gone.
                assert time.monotonic() < end, self.log(name)
                time.sleep(0.05)
                self.mend()
                part = self.parts[name]
        if name == "scheduler" or nanny:
            part.kill()
            part.wait()
        for pid in works:
            with suppress(ProcessLookupError):  # it ends by itself with its nanny
                os.kill(pid, signal.SIGKILL)
        while any(map(alive, works)):
            time.sleep(0.01)
        assert name == "scheduler" or nanny or part.poll() is None, "a nanny outlives its worker"
        return [part.pid] * (name == "scheduler" or nanny) + works

    def log(self, name: str) -> str:
        """What a part printed."""
        return (self._folder / f"{name}.log").read_text(errors="replace")


def outcome(output: Path) -> tuple[object, ...]:
    """All that is scored, and how every case ended."""
    results = {name: data for name, data in rivals.files(output / "submissions").items() if name != "runs.json"}
    return results, rivals.states(output), sorted(rivals.files(output / "logs"))


def children(pid: int) -> list[int]:
    """Ids of a process's own, without those that only stand by (multiprocessing's tracker, our reaper)."""
    # Linux lists them by the thread that started them.
    ids = [int(each) for found in Path(f"/proc/{pid}/task").glob("*/children") for each in found.read_text().split()]
    return [each for each in ids if b"spawn_main" in _command(each)]


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _path() -> str:
    return os.pathsep.join([str(images.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
