"""What an engine has to keep containers apart, from what it says of itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: From this version of its API on, an engine can be told of a control group namespace.
_PRIVATE_CGROUP = (1, 41)


@dataclass(frozen=True)
class EngineOffers:
    """What containers are made with; by default everything.

    Attributes:
        cpus: how many processors the engine has: it refuses to give more.
        memory: bytes of the machine's.
        seccomp: it can limit the system calls of a container.
        private_cgroup: it can hide the host's control groups.
        first_id: where it gives containers accounts of their own (user namespaces), the host's account that is a
            container's root, and those after it the others'; 0 where it does not.
    """

    cpus: float = math.inf
    memory: float = math.inf
    seccomp: bool = True
    private_cgroup: bool = True
    first_id: int = 0


def read_offers(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineOffers:
    """From the engine's answers to ``docker info`` and ``docker version``.

    Where accounts are mapped, the engine's own folder ends with the first of them: ``/var/lib/docker/165536.165536``.
    """
    options = {part for entry in info.get("SecurityOptions") or () for part in str(entry).split(",")}
    mapped = re.search(r"/(\d+)\.\d+$", str(info.get("DockerRootDir", ""))) if "name=userns" in options else None
    api = re.match(r"(\d+)\.(\d+)", str(version.get("ApiVersion", "")))
    return EngineOffers(
        cpus=float(info["NCPU"]),
        memory=float(info.get("MemTotal") or math.inf),
        seccomp="name=seccomp" in options,
        private_cgroup=api is not None and tuple(map(int, api.groups())) >= _PRIVATE_CGROUP,
        first_id=int(mapped[1]) if mapped else 0,
    )
