"""The container engine, through the docker SDK and from the host: no container ever sees its socket.

The SDK (the extra ``harness``) is imported when an engine is asked for: the evaluator's image is without it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from evaluation.harness.engine_cleanup import remove_all
from evaluation.harness.engine_errors import GoneError, RefusedError, SlowError, answering
from evaluation.harness.engine_offers import EngineOffers, is_podman, read_offers
from feta.errors import FetaError, installed_by

_TIMEOUT_SECONDS = 120
_LAST_SIGNAL = 64
#: A socket can't be told to wait longer than 24 days.
_LONGEST_WAIT = 1e6


@dataclass(frozen=True)
class Ended:
    """How a container ended.

    Attributes:
        exit_code: 137 where it was killed.
        out_of_memory: the kernel ended one of its processes for want of memory.
        seconds: wall clock between its start and its end, by the engine.
    """

    exit_code: int
    out_of_memory: bool
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether a signal ended it: programs that start others, and shells, give 128 and the signal's number."""
        return 128 < self.exit_code <= 128 + _LAST_SIGNAL


class Engine:
    """One connection; each thread has its own.

    Raises:
        FetaError: from every method, where the engine doesn't answer.
        RefusedError: from every method, where it won't.
    """

    def __init__(self) -> None:
        try:
            import docker
        except ImportError as error:
            raise FetaError("docker", "the Python package is missing", installed_by("harness")) from error
        with answering():
            self._client = docker.from_env(timeout=_TIMEOUT_SECONDS)
            self._api = self._client.api
            self._client.ping()

    def image_id(self, name: str) -> str:
        """The local id that a name stands for now.

        Raises:
            GoneError: there is no such image here.
        """
        try:
            with answering():
                return self._client.images.get(name).id
        except RefusedError as error:
            raise GoneError(
                name, "no such image here", f"docker pull {name}, docker load, or docker build it"
            ) from error

    def offers(self) -> EngineOffers:
        """What the engine has to keep containers apart, and how many processors."""
        with answering():
            version = self._client.version()
            podman = None
            if is_podman(version):
                number = f"{version.get('Version', '')}".partition("-")[0]
                podman = self._api._get(f"{self._api.base_url}/v{number}/libpod/info").json()
            return read_offers(self._client.info(), version, podman)

    def declared_volumes(self, image_id: str) -> list[str]:
        """The ``VOLUME`` folders of an image."""
        with answering():
            config = self._api.inspect_image(image_id).get("Config") or {}
        return sorted(config.get("Volumes") or {})

    def make_volume(self, arguments: Mapping[str, Any]) -> None:
        """Make a volume."""
        with answering():
            self._client.volumes.create(**arguments)

    def start(self, arguments: Mapping[str, Any]) -> str:
        """Make a container and start it; returns its id. Where that fails nothing of it is left."""
        import docker.errors

        with answering():
            container = None
            try:
                container = self._client.containers.create(**arguments)
                container.start()
            except docker.errors.APIError:
                if container is not None:
                    self.remove(container.id)
                raise
            return container.id

    def wait(self, container: str, seconds: float) -> bool:
        """Wait until a container has ended; False where it runs on after ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                with answering():
                    self._api.wait(container, timeout=min(max(left, 0.01), _LONGEST_WAIT))
                return True
            except SlowError:
                if left <= _LONGEST_WAIT:
                    return False

    def runs(self, container: str) -> bool:
        """Whether a container is there and has not ended."""
        try:
            with answering():
                return bool(self._api.inspect_container(container)["State"]["Running"])
        except RefusedError:
            return False

    def kill(self, container: str) -> None:
        """End every process of a container. One that has ended is left as it is."""
        import docker.errors

        with answering():
            try:
                self._api.kill(container)
            except docker.errors.APIError:
                if self._api.inspect_container(container)["State"]["Running"]:
                    raise

    def ended(self, container: str) -> Ended:
        """How a container ended."""
        with answering():
            state = self._api.inspect_container(container)["State"]
        seconds = (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()
        return Ended(int(state["ExitCode"]), bool(state["OOMKilled"]), max(seconds, 0.0))

    def usage(self, container: str) -> str:
        """Processes and memory of a running container, in words; empty where it has ended."""
        load = self.load(container)
        return f"{load[0]} processes, {load[1] >> 20} MB" if load else ""

    def load(self, container: str) -> tuple[int, int] | None:
        """Number of processes, and bytes of memory without files that are only kept for later; None after its end.

        Podman answers nothing for a container that ends just then; an engine that is gone is met by the next call.
        """
        try:
            with answering():
                stats = self._api.stats(container, stream=False, one_shot=True)
        except FetaError:
            return None
        processes, memory = stats.get("pids_stats", {}).get("current"), stats.get("memory_stats", {})
        if not processes or memory.get("usage") is None:
            return None
        return processes, memory["usage"] - memory.get("stats", {}).get("inactive_file", 0)

    def log(self, container: str) -> bytes:
        """What a container printed, as far as the engine kept it."""
        with answering():
            return self._api.logs(container, stdout=True, stderr=True)

    def fetch(self, container: str, folder: str) -> Generator[bytes, None, None]:
        """A folder of a container as a tar archive."""
        with answering():
            yield from self._api.get_archive(container, folder)[0]

    def put(self, container: str, folder: str, archive: IO[bytes]) -> None:
        """Unpack a tar archive into a folder of a container."""
        with answering():
            self._api.put_archive(container, folder, archive)

    def remove(self, container: str) -> None:
        """Remove a container, running or not; fine where there is none."""
        import docker.errors

        with answering():
            try:
                self._api.remove_container(container, v=True, force=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:  # 409: its removal is under way
                    raise

    def remove_volume(self, name: str) -> None:
        """Remove a volume; fine where there is none."""
        import docker.errors

        with answering():
            try:
                self._api.remove_volume(name, force=True)
            except docker.errors.NotFound:
                return

    def labelled(self, label: str) -> tuple[list[str], list[str]]:
        """Containers (ids) and volumes (names) with a label, ``key=value``."""
        with answering():
            containers = self._api.containers(all=True, quiet=True, filters={"label": label})
            volumes = self._api.volumes(filters={"label": label})["Volumes"] or []
        return [c["Id"] for c in containers], [v["Name"] for v in volumes]

    def remove_labelled(self, label: str) -> int:
        """Remove containers and volumes with a label until there are none; returns how many containers there were.

        What a call that was under way makes meanwhile is found when it is looked for again. What can't be removed
        (a process that the kernel can't end, say) is only warned of: it must not stop the other teams.
        """
        return remove_all(self, label)

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def _moment(text: str) -> datetime:
    """The engine's time stamps have nine decimals, Python's six."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text).replace("Z", "+00:00"))
