"""A submission's call by Apptainer, for clusters that have no other engine: its arguments, as a pure function.

Written from Apptainer's documentation and NOT RUN: this project's machines have none. The runner doesn't use it; what
Apptainer can't keep (``LACKS``) is why. Its results folder is a folder of the host without a limit on its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.harness.container_spec import MB, Place
from evaluation.harness.conventions import Call
from evaluation.harness.engine_offers import Wall
from evaluation.harness.roster import ResourceLimits

#: What it can't keep apart: it runs as who calls it, with that account's processes and control groups in sight of the
#: kernel's counters; results go to a folder of the host. On the second version of control groups limits are kept.
LACKS = (Wall.ACCOUNTS, Wall.CONTROL_GROUPS, Wall.RESULTS)
LACKS_ON_V1 = (*LACKS, Wall.MEMORY, Wall.SWAP, Wall.CPUS, Wall.PROCESSES)


def apptainer_arguments(
    image: Path, call: Call, places: Sequence[Place], limits: ResourceLimits, seccomp: Path, *, gpu: bool = False
) -> list[str]:
    """The command line of one container.

    Args:
        image: a SIF file.
        places: folders of the host: the input, and one for results.
        seccomp: the list of system calls; ``evaluation/harness/seccomp.json``.
        gpu: gives all NVIDIA GPUs that the job of the cluster was given.

    Raises:
        ValueError: a place is a volume of an engine, which Apptainer doesn't know, or can't be named in an option.
    """
    arguments = ["apptainer", "run" if call.command is None else "exec", "--containall", "--no-home", "--no-privs"]
    arguments += ["--net", "--network", "none", "--security", f"seccomp:{seccomp}"]
    arguments += ["--memory", f"{limits.memory_mb * MB}", "--memory-swap", f"{limits.memory_mb * MB}"]
    arguments += ["--cpus", f"{limits.cpus:g}", "--pids-limit", f"{limits.processes}"]
    for place in places:
        if place.is_volume or any(mark in place.source + place.target for mark in ",:"):
            raise ValueError(f"{place.source} can't be given to Apptainer")
        arguments += ["--bind", f"{place.source}:{place.target}:{'ro' if place.read_only else 'rw'}"]
    for name, value in call.environment.items():
        arguments += ["--env", f"{name}={value}"]
    arguments += ["--nv"] if gpu else []
    return [*arguments, str(image), *(call.command or ())]
