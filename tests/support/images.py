"""Build, run and look into the images, through the engine's command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The longest that any call here may take, seconds.
LIMIT = 900
#: The cohort of the tests: one subject with two reconstructions, one with one.
CASES = (
    "sub-001/anat/sub-001_rec-mial_T2w",
    "sub-001/anat/sub-001_rec-irtk_T2w",
    "sub-002/anat/sub-002_T2w",
)
#: For the untrained networks, which gain nothing by a second thread.
TINY = {"FETA_WEIGHTS": "/weights", "OMP_NUM_THREADS": "1"}
#: What the issue asks an image to run under.
HARDENED = (
    *("--read-only", "--tmpfs", "/tmp"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)


def engine_answers() -> bool:
    """Whether there is a container engine."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False).returncode == 0


def docker(*arguments: str, check: bool = True, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a docker command; its standard error is in the exception where it fails."""
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(
            f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
        )
    return done.stdout


def build(target: str) -> str:
    """Build one target for the CPU; returns its tag. Layers that exist are used again, so a second build is quick."""
    tag = f"feta-{target}:test"
    network = ("--network", "host") if _no_bridge() else ()
    arguments = ["--build-arg", "TORCH_BUILD=cpu", "--target", target, "--tag", tag]
    docker("build", *network, *arguments, str(ROOT), environment={"DOCKER_BUILDKIT": "1"})
    return tag


def _no_bridge() -> bool:
    """Whether the engine has no network of its own, and builds need the host's."""
    return "bridge" not in docker("network", "ls", "--format", "{{.Driver}}").split()


@dataclass(frozen=True)
class Ended:
    """How a container ended: its exit status, and all that it printed."""

    status: int
    output: str


@dataclass
class Call:
    """One `docker run`.

    Attributes:
        image: its tag.
        mounts: path in the container → folder here, or a volume's name; an ending ':ro' belongs to the first.
        variables: environment variables.
        options: further options of `docker run`.
    """

    image: str
    mounts: dict[str, Path | str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def arguments(self) -> list[str]:
        """All arguments up to the image; nothing here has a network."""
        listed = ["--network", "none", *self.options]
        for inside, outside in self.mounts.items():
            listed += ["--volume", f"{outside}:{inside}"]
        for name, value in self.variables.items():
            listed += ["--env", f"{name}={value}"]
        return [*listed, self.image]

    def run(self, *command: str) -> Ended:
        """Run to the end."""
        done = subprocess.run(
            ["docker", "run", "--rm", *self.arguments(), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    def start(self, *command: str) -> str:
        """Start in the background; returns the container's id."""
        return docker("run", "--detach", *self.arguments(), *command).strip()


def printed(container: str) -> str:
    """All that a container has printed up to now."""
    done = subprocess.run(
        ["docker", "logs", container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    return done.stdout
