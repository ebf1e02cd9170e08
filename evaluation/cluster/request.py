"""What goes to a worker and what comes back: plain, small, and nothing that a worker could change here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import feta
from evaluation.harness.case_state import CaseRow
from evaluation.harness.conventions import ContainerJob
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import ResourceLimits
from feta.cases import Case

_ROOT = Path(feta.__file__).resolve().parents[1]
_PARTS = ("feta", "evaluation/submissions", "evaluation/harness", "evaluation/cluster")


@cache
def code() -> str:
    """What this machine runs: a hash of every file that has a part in running containers.

    Results are the same wherever a job runs because the same code runs it.
    """
    digest = hashlib.sha256()
    for part in _PARTS:
        for path in sorted((_ROOT / part).iterdir()):
            if path.suffix in (".py", ".json"):
                digest.update(f"{part}/{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def packages() -> dict[str, str]:
    """Releases of the packages that both sides must share."""
    found = {}
    for name in ("distributed", "docker"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


@dataclass(frozen=True)
class JobRequest:
    """One container for a worker.

    Attributes:
        everyone: all cases of the subjects that the job has cases of, by which one result is told from another.
        image_id: the local id of the team's image.
        user: the account that it runs as.
        seconds: wall clock that it may take.
        gpu: whether it is given one.
        data: the staged input: the folder that all machines share, or the part of it that the job needs, as a tar
            archive.
        further: how many more jobs of the team the worker is likely to be given.
    """

    run_id: str
    job: ContainerJob
    everyone: tuple[Case, ...]
    image_id: str
    helper_id: str
    user: int
    limits: ResourceLimits
    seconds: float
    gpu: bool
    data: Path | bytes
    further: int = 0


@dataclass(frozen=True)
class JobResult:
    """What came of it.

    Attributes:
        files: results by their place in the team's folder.
        log: for the organizer.
        worker: who did it.
    """

    rows: tuple[CaseRow, ...]
    files: Mapping[str, bytes]
    log: str
    worker: str


@dataclass(frozen=True)
class JobFault:
    """What kept a worker from doing a job, through no fault of the team's: another worker is to do it.

    Attributes:
        stopped: it was ended because nobody waits for it any more.
    """

    worker: str
    line: str
    stopped: bool = False


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker says of itself.

    Attributes:
        code, packages: see the functions of these names.
        images: image → its local id; without those that it hasn't.
        missing: images that it hasn't.
        gpus: ids of those that it gives.
        slots: containers at the same time.
        clock: Unix time.
        free: bytes on the disk where it keeps what it works on.
        sees_input: whether the folder that all share is there; None where none is meant to be.
        problem: why it can do nothing, in a line.
        label: of all that it starts in its engine, ``key=value``.
    """

    host: str
    code: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    offers: EngineOffers = field(default_factory=EngineOffers)
    images: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    resources: Mapping[str, float] = field(default_factory=dict)
    slots: int = 1
    clock: float = 0.0
    free: int = 0
    sees_input: bool | None = None
    problem: str = ""
    label: str = ""
