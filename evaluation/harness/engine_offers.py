"""What an engine has to keep containers apart, from what it says of itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from feta.errors import FetaError

#: From this version of its API on, an engine can be told of a control group namespace.
_PRIVATE_CGROUP = (1, 41)
#: Before this version Podman takes no GPU by Docker's API, and says nothing of it: containers start without
#: (containers/podman#25171).
_GIVES_GPUS = (5, 4)


class Wall(StrEnum):
    """What keeps a container apart: from other teams, from the hidden data, from the machine."""

    NETWORK = "network"
    READ_ONLY = "read-only"
    ACCOUNTS = "accounts"
    RIGHTS = "rights"
    SYSTEM_CALLS = "system-calls"
    CONTROL_GROUPS = "control-groups"
    RESULTS = "results"
    MEMORY = "memory"
    SWAP = "swap"
    CPUS = "cpus"
    PROCESSES = "processes"


#: Each wall in words, for the roster's reader and the report.
MEANS = {
    Wall.NETWORK: "no network but its own loopback",
    Wall.READ_ONLY: "its root and its input can't be written to",
    Wall.ACCOUNTS: "an unprivileged account for each team",
    Wall.RIGHTS: "no capability, and no way to gain one",
    Wall.SYSTEM_CALLS: "only listed system calls",
    Wall.CONTROL_GROUPS: "the host's control groups are hidden",
    Wall.RESULTS: "results and temporary files in memory of a size that the kernel keeps",
    Wall.MEMORY: "a limit on memory",
    Wall.SWAP: "no swap beyond it",
    Wall.CPUS: "a limit on processors",
    Wall.PROCESSES: "a limit on processes and threads",
}
#: What ``docker info`` calls the limits.
_LIMITS = {
    Wall.MEMORY: "MemoryLimit",
    Wall.SWAP: "SwapLimit",
    Wall.CPUS: "CpuCfsQuota",
    Wall.PROCESSES: "PidsLimit",
}
#: What the kernel calls them.
_CONTROLLERS = {Wall.MEMORY: "memory", Wall.SWAP: "memory", Wall.CPUS: "cpu", Wall.PROCESSES: "pids"}


@dataclass(frozen=True)
class EngineOffers:
    """What containers are made with; by default everything.

    Attributes:
        cpus: how many processors the engine has: it refuses to give more.
        memory: bytes of the machine's.
        seccomp: it can limit the system calls of a container.
        private_cgroup: it can hide the host's control groups.
        first_id: where it gives containers accounts of their own (user namespaces), the host's account that is a
            container's root, and those after it the others'; 0 where it does not, or mounts volumes in the same
            namespace.
        no_limits: limits that it can't keep.
        podman: it is Podman, which reads the list of system calls from its file, gives a tmpfs no owner, and GPUs by
            their names in the Container Device Interface (CDI).
        gpus: it doesn't pass over in silence that a container is to be given one.
        engine: its name and version.
    """

    cpus: float = math.inf
    memory: float = math.inf
    seccomp: bool = True
    private_cgroup: bool = True
    first_id: int = 0
    no_limits: frozenset[Wall] = frozenset()
    podman: bool = False
    gpus: bool = True
    engine: str = "Docker"

    @property
    def lacks(self) -> tuple[Wall, ...]:
        """The walls that can't be had, in the order of ``Wall``."""
        missing = set(self.no_limits)
        missing |= set() if self.seccomp else {Wall.SYSTEM_CALLS}
        missing |= set() if self.private_cgroup else {Wall.CONTROL_GROUPS}
        return tuple(wall for wall in Wall if wall in missing)


def check_isolation(machine: str, offers: EngineOffers, promised: Sequence[Wall]) -> None:
    """Refuse an engine that can't keep what the roster promises.

    Raises:
        FetaError: it lacks a wall.
    """
    missing = [wall for wall in offers.lacks if wall in promised]
    if missing:
        said = ", ".join(f"{wall} ({MEANS[wall]})" for wall in missing)
        remedy = "mend the engine, or take it out of `isolation` in the roster: the report then says so"
        raise FetaError(machine, f"{offers.engine} can't keep what the roster promises: {said}", remedy)


def read_offers(
    info: Mapping[str, Any], version: Mapping[str, Any], podman: Mapping[str, Any] | None = None
) -> EngineOffers:
    """From the engine's answers to ``docker info`` and ``docker version``.

    Args:
        podman: Podman's own answer, ``podman info``: it tells there alone that it runs without root, and which limits
            it may set (the controllers of control groups that were delegated to it).

    Where accounts are mapped, Docker's own folder ends with the first of them: ``/var/lib/docker/165536.165536``.
    Without root, an engine mounts volumes within its own namespace: accounts there are the containers'. Without root on
    the first version of control groups, limits are taken and not kept.
    """
    options = {part for entry in info.get("SecurityOptions") or () for part in str(entry).split(",")}
    mapped = re.search(r"/(\d+)\.\d+$", str(info.get("DockerRootDir", ""))) if "name=userns" in options else None
    own = (podman or {}).get("host", {})
    rootless = "name=rootless" in options or bool(own.get("security", {}).get("rootless"))
    powerless = rootless and str(info.get("CgroupVersion", "")) != "2"
    without = {wall for wall, name in _LIMITS.items() if powerless or not info.get(name, True)}
    if rootless and podman is not None:
        delegated = own.get("cgroupControllers") or ()
        without |= {wall for wall, controller in _CONTROLLERS.items() if controller not in delegated}
    return EngineOffers(
        cpus=float(info["NCPU"]),
        memory=float(info.get("MemTotal") or math.inf),
        seccomp="name=seccomp" in options,
        private_cgroup=_hides_groups(info, version),
        first_id=int(mapped[1]) if mapped and not rootless else 0,
        no_limits=frozenset(without),
        podman=is_podman(version),
        gpus=not is_podman(version) or _numbers(version, "Version") >= _GIVES_GPUS,
        engine=_named(version, rootless),
    )


def _hides_groups(info: Mapping[str, Any], version: Mapping[str, Any]) -> bool:
    """Docker since an API of its own; Podman on the second version of control groups alone."""
    if is_podman(version):
        return str(info.get("CgroupVersion", "")) == "2"
    return _numbers(version, "ApiVersion") >= _PRIVATE_CGROUP


def _numbers(version: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """The first two numbers of a version; none where it is another text."""
    found = re.match(r"(\d+)\.(\d+)", str(version.get(name, "")))
    return tuple(map(int, found.groups())) if found else ()


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether it is Podman that answers as Docker does."""
    return any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or ())


def _named(version: Mapping[str, Any], rootless: bool) -> str:
    """Such as ``Podman 4.3.1, without root``."""
    number = re.sub(r"[^A-Za-z0-9.+~_-]", "", str(version.get("Version", "")))[:40]
    return f"{'Podman' if is_podman(version) else 'Docker'} {number}".strip() + (", without root" if rootless else "")
