"""Why a case didn't end well: once more with walls taken down, all first, then one at a time.

For an image of one's own. Where it then ends well, what it needed is known; that it tried and got over it is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.container_spec import account
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders
from evaluation.harness.conventions import ContainerJob, case_id, make_jobs
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError, answering
from evaluation.harness.job import Worker, run_job
from evaluation.harness.roster import Exceptions, Roster, Team
from evaluation.harness.staging import cases_to_run, stage
from evaluation.harness.volumes import ResultVolumes
from evaluation.rehearsal.findings import Finding

#: How cases end for which a wall may be the reason.
DOUBTED = frozenset({CaseState.CRASHED, CaseState.NO_RESULT})
_MOST_PATHS = 5
_MOUNTED = ("/tmp", "/dev", "/proc", "/sys", "/etc", "/sbin/docker-init", "/usr/sbin/docker-init")
_ROOMY_SHM_MB = 2048


@dataclass(frozen=True)
class Wall:
    """One wall that can be taken down.

    Attributes:
        needed: what an image needs that ends well without it.
        answer: what can be done about it.
        network, writable: the container has a network, a root that may be written to.
        exceptions: of the roster, in place of the team's.
    """

    about: str
    needed: str
    answer: str
    network: bool = False
    writable: bool = False
    exceptions: Mapping[str, Any] = field(default_factory=dict)


WALLS = (
    Wall("network", "a network", "organizers give none: put into the image what it fetches", network=True),
    Wall(
        "account", "to be root", "let all read the image's files (chmod -R a+rX), or ask for the exception `root`",
        exceptions={"root": True},
    ),
    Wall(
        "writes", "to write outside /output and /tmp", "write to /tmp, or ask for the exception `scratch`",
        writable=True, exceptions={"root": True},
    ),
    Wall(
        "writes", "to write beside its input", "copy it to /tmp first, or ask for the exception `writable_input`",
        exceptions={"writable_input": True},
    ),
    Wall(
        "shared memory", "more shared memory", "do without (a DataLoader without workers), or ask for the exception "
        "`shm_mb`", exceptions={"shm_mb": _ROOMY_SHM_MB},
    ),
)  # fmt: skip
NONE_LEFT = Wall(
    "walls", "", "", network=True, writable=True,
    exceptions={"root": True, "writable_input": True, "shm_mb": _ROOMY_SHM_MB},
)  # fmt: skip


class RelaxedEngine(Engine):
    """An engine that starts one image with fewer walls, and looks at what it wrote.

    Args:
        image_id: the image; containers of others are made as ever.
        network: name of a network for it; "" for none.
        writable: its root may be written to.
    """

    def __init__(self, image_id: str = "", network: str = "", writable: bool = False) -> None:
        super().__init__()
        self._image_id, self._network, self._writable = image_id, network, writable
        self._own: dict[str, list[str]] = {}
        self.written: list[str] = []

    def start(self, arguments: Mapping[str, Any]) -> str:
        """As ``Engine.start``."""
        if arguments["image"] != self._image_id or "tmpfs" not in arguments:  # the container that holds results
            return super().start(arguments)
        changes: dict[str, Any] = {"network_mode": self._network} if self._network else {}
        changes |= {"read_only": False} if self._writable else {}
        container = super().start({**arguments, **changes})
        self._own[container] = [mount["Target"] for mount in arguments["mounts"]]
        return container

    def make_network(self, name: str) -> bool:
        """Make a network; False where the engine has none to give."""
        try:
            with answering():
                self._client.networks.create(name, driver="bridge", labels={RUN_LABEL: name})
        except RefusedError:
            return False
        return True

    def remove_network(self, name: str) -> None:
        """Remove one that was made."""
        with answering():
            self._api.remove_network(name)

    def remove(self, container: str) -> None:
        """As ``Engine.remove``; before that, what it wrote to its own root is noted."""
        if self._writable and (mounted := self._own.pop(container, None)) is not None:
            with answering():
                self.written = outside(self._api.diff(container) or [], mounted)
        super().remove(container)


def outside(changes: Sequence[Mapping[str, Any]], mounted: Iterable[str] = ()) -> list[str]:
    """Files and new folders of the engine's list of changes, without folders that lead to others, and what is no
    doing of the image's: mounts, and files of the engine's own.

    Args:
        mounted: folders beside those of every container.
    """
    ours = (*_MOUNTED, *mounted)
    paths = sorted(change["Path"] for change in changes)
    return [
        path for path in paths
        if not any(other.startswith(f"{path}/") for other in paths)
        and not any(path == place or path.startswith(f"{place}/") for place in ours)
    ]  # fmt: skip


def explain(roster: Roster, input_: Path, folder: Path, rows: list[CaseRow]) -> list[Finding]:
    """Do the first case that didn't end well once more, with walls taken down.

    Args:
        roster: limits, GPUs, and one team.
        input_: as it ran.
        folder: an empty folder for it.
        rows: how the cases ended.

    Raises:
        FetaError: the engine is gone, or the folder can't be written.
    """
    row = next((row for row in rows if row.state in DOUBTED), None)
    if row is None:
        return []
    trial = _Trial(roster, input_, folder, row.case)
    with closing(RelaxedEngine()) as engine:
        network = f"feta-{uuid.uuid4().hex}"
        trial.network = network if engine.make_network(network) else ""
        try:
            return _explained(trial, row)
        finally:
            if trial.network:
                engine.remove_network(network)


@dataclass
class _Trial:
    """What all attempts have in common."""

    roster: Roster
    input_: Path
    folder: Path
    case: str
    network: str = ""

    def run(self, wall: Wall) -> tuple[bool, list[str]]:
        """Whether the case ends well without a wall, and what it wrote outside where it could."""
        (first,) = self.roster.teams
        team = Team(first.name, first.image, first.convention, replace(Exceptions(), **dict(wall.exceptions)))
        cases = cases_to_run(self.input_, replace(self.roster, teams=(team,)))
        place = self.folder / uuid.uuid4().hex
        folders = RunFolders(place)
        (folders.submissions / team.name).mkdir(parents=True)
        stage(cases, folders.staged)
        job = self._job(make_jobs(team, cases))
        with closing(Engine()) as plain:
            image, offers = plain.image_id(team.image), plain.offers()
            helper = plain.image_id(self.roster.helper_image)
        limits = replace(self.roster.limits, cpus=min(self.roster.limits.cpus, offers.cpus))
        context = RunContext(
            place.name, folders, limits, {team.name: image}, helper, cases, {team.name: account(0)}, offers
        )
        with closing(RelaxedEngine(image, self.network if wall.network else "", wall.writable)) as engine:
            with ResultVolumes(engine, context, team, 1) as volumes:
                gpu = self.roster.gpus[0] if self.roster.gpus else None
                worker = Worker(engine, context, volumes, gpu, Event())
                rows = run_job(worker, job, limits.case_seconds * len(job.cases))
            well = next(row for row in rows if row.case == self.case).state is CaseState.DONE
            return well, engine.written

    def _job(self, jobs: list[ContainerJob]) -> ContainerJob:
        return next(job for job in jobs if self.case in {case_id(case) for case in job.cases})


def _explained(trial: _Trial, row: CaseRow) -> list[Finding]:
    well, written = trial.run(NONE_LEFT)
    found = []
    if written:
        more = f" and {len(written) - _MOST_PATHS} more" if len(written) > _MOST_PATHS else ""
        said = f"{row.case}: where it could, it wrote {', '.join(written[:_MOST_PATHS])}{more}"
        found.append(Finding("note", "writes", said))
    without = "" if trial.network else "; a network could not be tried: the engine makes none"
    if not well:
        said = (
            f"{row.case}: it ends no better with a network (if it leads anywhere), as root, with a root and an input "
            "to write to, and more shared memory"
        )
        return [*found, Finding("note", "why", said + without)]
    wall = next((wall for wall in WALLS if (trial.network or not wall.network) and trial.run(wall)[0]), None)
    needed = (
        f"it needs {wall.needed}; {wall.answer}" if wall else "it needs several things at once that it may not have"
    )
    return [*found, Finding("note", "why", f"{row.case}: {needed}")]
