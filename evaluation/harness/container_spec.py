"""What the engine is told when it makes a container: pure functions, so that isolation is tested without an engine.

The keys are those of docker SDK's ``containers.create`` and ``volumes.create``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.harness.conventions import Call
from evaluation.harness.roster import ResourceLimits, Team

MB = 1 << 20
#: An account that owns nothing on any machine.
NOBODY = 65532
HELD = "/held"
_HELPER_MB = 64


@dataclass(frozen=True)
class Place:
    """A folder of ours, or a volume of the engine's, in a container."""

    source: str
    target: str
    is_volume: bool = False
    read_only: bool = True

    def mount(self) -> dict[str, Any]:
        """As the engine's API has it. A folder that is missing is an error, not made as ``volumes`` would."""
        kind = "volume" if self.is_volume else "bind"
        own = {"VolumeOptions": {"NoCopy": True}} if self.is_volume else {"BindOptions": {"Propagation": "rprivate"}}
        return {"Type": kind, "Source": self.source, "Target": self.target, "ReadOnly": self.read_only, **own}


def container_arguments(
    team: Team,
    limits: ResourceLimits,
    call: Call,
    places: Sequence[Place],
    *,
    image_id: str,
    labels: Mapping[str, str],
    gpu: str | None = None,
    declared: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments of a submission's container.

    Args:
        places: what is mounted: the input, and the folder for results.
        image_id: the local id, so that a tag that moves changes nothing.
        gpu: id of the GPU; None for the CPU.
        declared: the image's own ``VOLUME`` folders. The engine would make a volume without a limit for each;
            a tmpfs takes their place.
    """
    user = 0 if team.exceptions.root else NOBODY
    taken = {place.target for place in places}
    # An image may write its folders as "/output/" or "data": the engine would not know them for those that are mounted.
    own = [posixpath.normpath(f"/{path.lstrip('/')}") for path in declared]
    writable = ["/tmp", *team.exceptions.scratch, *(path for path in own if path not in taken)]
    return {
        **_isolation(user),
        "image": image_id,
        "command": list(call.command) if call.command is not None else None,
        "environment": {"HOME": "/tmp", **call.environment},
        "labels": dict(labels),
        "mounts": [place.mount() for place in places],
        "tmpfs": dict.fromkeys(writable, f"rw,exec,nosuid,nodev,mode=1777,size={limits.tmp_mb * MB}"),
        "mem_limit": limits.memory_mb * MB,
        "memswap_limit": limits.memory_mb * MB,
        "nano_cpus": round(limits.cpus * 1e9),
        "pids_limit": limits.processes,
        "shm_size": (team.exceptions.shm_mb or limits.shm_mb) * MB,
        # The engine drops the older of two files. A short line takes several times its length in them.
        "log_config": {"Type": "json-file", "Config": {"max-size": f"{8 * limits.log_kb}k", "max-file": "2"}},
        **(_gpu(gpu) if gpu is not None else {}),
    }


def helper_arguments(
    image_id: str, volumes: Sequence[str], labels: Mapping[str, str], gpu: str | None = None
) -> dict[str, Any]:
    """Arguments of the container that holds a job's volumes, below HELD by their number, until they were fetched.

    Args:
        gpu: asks for this GPU as a submission would, to see whether there is one.
    """
    places = [Place(name, f"{HELD}/{i}", is_volume=True, read_only=False) for i, name in enumerate(volumes)]
    return {
        **_isolation(NOBODY),
        "image": image_id,
        "entrypoint": ["sleep"],
        "command": ["infinity"],
        "labels": dict(labels),
        "mounts": [place.mount() for place in places],
        "mem_limit": _HELPER_MB * MB,
        "memswap_limit": _HELPER_MB * MB,
        "pids_limit": 16,
        **(_gpu(gpu) if gpu is not None else {}),
    }


def volume_arguments(
    name: str, team: Team, limits: ResourceLimits, labels: Mapping[str, str], more: int = 0
) -> dict[str, Any]:
    """Arguments of a volume that the team may write to: memory, whose size the kernel keeps, whatever is done to it.

    Args:
        more: bytes beyond the limit on results, for a copy of the input.
    """
    user = 0 if team.exceptions.root else NOBODY
    size = limits.output_mb * MB + more
    options = f"size={size},nr_inodes={limits.output_files},uid={user},gid={user},mode=0700,nosuid,nodev,noexec"
    return {
        "name": name,
        "driver": "local",
        "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": options},
        "labels": dict(labels),
    }


def staged_places(call: Call, staged: Path) -> list[Place]:
    """The input, read-only."""
    return [Place(str(staged / folder), target) for folder, target in call.inputs.items()]


def _isolation(user: int) -> dict[str, Any]:
    """What holds for every container, exceptions or not."""
    return {
        "user": f"{user}:{user}",
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "privileged": False,
        "init": True,
        "ipc_mode": "private",
        # No proxy with a password from the organizer's own settings.
        "use_config_proxy": False,
        "hostname": "feta",
        "healthcheck": {"test": ["NONE"]},
        "ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        # Where the machine itself runs short, it is a submission that ends, not the harness or the engine.
        "oom_score_adj": 500,
        "stdin_open": False,
        "tty": False,
    }


def _gpu(number: str) -> dict[str, Any]:
    return {"device_requests": [{"driver": "", "count": 0, "device_ids": [number], "capabilities": [["gpu"]]}]}
