"""What the engine is told when it makes a container: pure functions, so that isolation is tested without an engine.

The keys are those of docker SDK's ``containers.create`` and ``volumes.create``.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluation.harness.conventions import Call
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import ResourceLimits, Team

MB = 1 << 20
#: The account of containers of ours, which owns nothing on any machine.
NOBODY = 65532
#: What keeps a container of ours at work until it is removed.
SLEEPING = {"entrypoint": ["sleep"], "command": ["infinity"]}
#: Accounts of the teams, one each: what the kernel counts by account (inotify's watches, processes, keys) is then a
#: team's own. Between the accounts of people and of services nobody has these (systemd's table of accounts).
_FIRST_ACCOUNT, _ACCOUNTS = 60706, 478
HELD, TMP = "/held", "/tmp"
_HELPER_MB, _HELPER_PROCESSES, _HELPER_FILES = 64, 16, 1024
_LEAST_NPROC = 4096
_NO_ROOM = {"type": "tmpfs", "device": "tmpfs", "o": "nr_blocks=1,nr_inodes=1,mode=0"}
_PROFILE = Path(__file__).with_name("seccomp.json")


@dataclass(frozen=True)
class Place:
    """A folder of ours, or a volume of the engine's, in a container."""

    source: str
    target: str
    is_volume: bool = False
    read_only: bool = True

    def mount(self, labels: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        """As the engine's API has it. A folder that is missing is an error, not made as ``volumes`` would.

        Args:
            labels: of the container. A volume that is removed meanwhile, since the run is ended, the engine makes anew:
                then with these labels, by which it is found, and without room. None for engines that don't know them.
        """
        mount = {"Source": self.source, "Target": self.target, "ReadOnly": self.read_only}
        if not self.is_volume:
            return {"Type": "bind", **mount, "BindOptions": {"Propagation": "rprivate"}}
        options: dict[str, Any] = {"NoCopy": True}
        if labels:
            options |= {"Labels": dict(labels), "DriverConfig": {"Name": "local", "Options": _NO_ROOM}}
        return {"Type": "volume", **mount, "VolumeOptions": options}


def account(place: int) -> int:
    """The number of the account that a team's containers run as.

    Args:
        place: of the team among those that ever came into the run.
    """
    return _FIRST_ACCOUNT + place % _ACCOUNTS


def container_arguments(
    team: Team,
    limits: ResourceLimits,
    call: Call,
    places: Sequence[Place],
    *,
    image_id: str,
    labels: Mapping[str, str],
    user: int = NOBODY,
    offers: EngineOffers = EngineOffers(),
    gpu: str | None = None,
) -> dict[str, Any]:
    """Arguments of a submission's container.

    Args:
        places: what is mounted: the input, the folder for results, and folders of its own.
        image_id: the local id, so that a tag that moves changes nothing.
        user: the account, 0 where the team may be root.
        gpu: id of the GPU; None for the CPU.
    """
    return {
        **_isolation(user, limits.processes, limits.open_files, offers),
        "image": image_id,
        "command": list(call.command) if call.command is not None else None,
        "environment": {"HOME": "/tmp", **call.environment},
        "labels": dict(labels),
        "mounts": [place.mount({} if offers.podman else labels) for place in places],
        "tmpfs": {TMP: f"rw,exec,nosuid,nodev,mode=1777,{_owner(user, offers)},size={limits.tmp_mb * MB}"},
        "mem_limit": limits.memory_mb * MB,
        "memswap_limit": limits.memory_mb * MB,
        "nano_cpus": round(limits.cpus * 1e9),
        "shm_size": (team.exceptions.shm_mb or limits.shm_mb) * MB,
        # The engine drops the older of two files. A short line takes several times its length in them.
        "log_config": {"Type": "json-file", "Config": {"max-size": f"{8 * limits.log_kb}k", "max-file": "2"}},
        **(_gpu(gpu, offers) if gpu is not None else {}),
    }


def own_folders(team: Team, places: Sequence[Place], declared: Sequence[str]) -> list[str]:
    """Folders beside ``/tmp`` that a team may write to: those of the roster, and the image's own ``VOLUME`` folders.

    For each of the latter the engine would make a volume without a limit.

    Args:
        places: what else is mounted.
    """
    taken = {TMP, *(place.target for place in places)}
    # An image may write its folders as "/output/" or "data": the engine would not know them for those that are mounted.
    asked = (posixpath.normpath(f"/{path.lstrip('/')}") for path in (*team.exceptions.scratch, *declared))
    return [path for path in dict.fromkeys(asked) if path not in taken]


def helper_arguments(
    image_id: str,
    volumes: Sequence[str],
    labels: Mapping[str, str],
    gpu: str | None = None,
    offers: EngineOffers = EngineOffers(),
) -> dict[str, Any]:
    """Arguments of the container that holds a job's volumes, below HELD by their number, until they were fetched.

    Args:
        gpu: asks for this GPU as a submission would, to see whether there is one.
    """
    places = [Place(name, f"{HELD}/{i}", is_volume=True, read_only=False) for i, name in enumerate(volumes)]
    return {
        **_isolation(NOBODY, _HELPER_PROCESSES, _HELPER_FILES, offers),
        "image": image_id,
        **SLEEPING,
        "labels": dict(labels),
        "mounts": [place.mount({} if offers.podman else labels) for place in places],
        "mem_limit": _HELPER_MB * MB,
        "memswap_limit": _HELPER_MB * MB,
        **(_gpu(gpu, offers) if gpu is not None else {}),
    }


def volume_arguments(
    name: str, owner: int, limits: ResourceLimits, labels: Mapping[str, str], more: int = 0
) -> dict[str, Any]:
    """Arguments of a volume that a team may write to: memory, whose size the kernel keeps, whatever is done to it.

    Args:
        owner: the account that may, by the host's numbers: the engine mounts volumes outside of every container.
        more: bytes beyond the limit on results, for a copy of the input.
    """
    size = limits.output_mb * MB + more
    options = f"nr_inodes={limits.output_files},uid={owner},gid={owner},mode=0700,nosuid,nodev,noexec"
    return _memory(name, size, options, labels)


def folder_arguments(name: str, owner: int, limits: ResourceLimits, labels: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a volume in place of one of ``own_folders``, as ``/tmp`` is.

    A tmpfs of the engine's own would take on the mode that the folder has in the image, and that may be anybody's.
    """
    size = limits.tmp_mb * MB
    return _memory(name, size, f"uid={owner},gid={owner},mode=1777,nosuid,nodev", labels)


def _memory(name: str, size: int, options: str, labels: Mapping[str, str]) -> dict[str, Any]:
    # In pages, as the kernel counts: Podman takes `size` for a quota of the file system beneath, and refuses it.
    pages = -(-size // os.sysconf("SC_PAGE_SIZE"))
    return {
        "name": name,
        "driver": "local",
        "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"nr_blocks={pages},{options}"},
        "labels": dict(labels),
    }


def staged_places(call: Call, staged: Path) -> list[Place]:
    """The input, read-only."""
    return [Place(str(staged / folder), target) for folder, target in call.inputs.items()]


@cache
def seccomp_profile() -> str:
    """Which system calls a container may make, as the engine takes it: ``seccomp.json`` without its line breaks."""
    return json.dumps(json.loads(_PROFILE.read_text(encoding="utf-8")), separators=(",", ":"))


def _owner(user: int, offers: EngineOffers) -> str:
    """Of a tmpfs: who runs, since Docker keeps the mode that the folder has in the image; Podman is told not to."""
    return "notmpcopyup" if offers.podman else f"uid={user},gid={user}"


def _profile(offers: EngineOffers) -> str:
    """Podman reads the file itself, which is on its machine too; Docker is given what it holds."""
    return str(_PROFILE) if offers.podman else seccomp_profile()


def _isolation(user: int, processes: int, open_files: int, offers: EngineOffers) -> dict[str, Any]:
    """What holds for every container, exceptions or not."""
    # The kernel counts processes by account on the whole machine, where several runs and all helpers share theirs: the
    # control group's limit on each container is the one that is met first.
    limited = {"core": 0, "nofile": open_files, "nproc": max(_LEAST_NPROC, 4 * processes)}
    return {
        "user": f"{user}:{user}",
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", *([f"seccomp={_profile(offers)}"] if offers.seccomp else [])],
        "privileged": False,
        "init": True,
        "ipc_mode": "private",
        **({"cgroupns": "private"} if offers.private_cgroup else {}),
        "pids_limit": processes,
        # No proxy with a password from the organizer's own settings.
        "use_config_proxy": False,
        "hostname": "feta",
        "healthcheck": {"test": ["NONE"]},
        "ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in limited.items()],
        # Where the machine itself runs short, it is a submission that ends, not the harness or the engine.
        "oom_score_adj": 500,
        "stdin_open": False,
        "tty": False,
    }


def _gpu(number: str, offers: EngineOffers) -> dict[str, Any]:
    if offers.podman:
        return {"device_requests": [{"driver": "cdi", "device_ids": [f"nvidia.com/gpu={number}"]}]}
    return {"device_requests": [{"driver": "", "count": 0, "device_ids": [number], "capabilities": [["gpu"]]}]}
