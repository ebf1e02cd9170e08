"""Where a run keeps its files, and what all its containers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.harness.container_spec import NOBODY
from evaluation.harness.conventions import ContainerJob
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import ResourceLimits, Team
from feta.cases import Case

#: What everything of a run in the engine is labelled with: its id.
RUN_LABEL = "feta.run"


@dataclass(frozen=True)
class RunFolders:
    """The output folder's parts. Only ``submissions`` is for the evaluator; ``logs`` holds what containers printed.

    Attributes:
        input_: the staged input, where it lies elsewhere: on another machine that has a part of the work.
    """

    root: Path
    input_: Path | None = None

    @property
    def state(self) -> Path:
        """SQLite."""
        return self.root / "state.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the harness as long as it lives."""
        return self.root / "run.lock"

    @property
    def logs(self) -> Path:
        """A text for each case, by team."""
        return self.root / "logs"

    @property
    def submissions(self) -> Path:
        """A folder for each team."""
        return self.root / "submissions"

    @property
    def staged(self) -> Path:
        """The input as containers see it."""
        return self.input_ or self.root / "work" / "input"

    @property
    def unpacked(self) -> Path:
        """Results on their way."""
        return self.root / "work" / "results"


@dataclass(frozen=True)
class RunContext:
    """What all jobs of a run have in common.

    Attributes:
        images: team → local id of its image.
        helper_id: local id of the helper's image.
        accounts: team → number of the account that its containers run as.
        offers: what the engine has to keep containers apart.
        more_labels: further labels of everything that the run makes in an engine.
    """

    run_id: str
    folders: RunFolders
    limits: ResourceLimits
    images: dict[str, str]
    helper_id: str
    cases: tuple[Case, ...]
    accounts: Mapping[str, int] = field(default_factory=dict)
    offers: EngineOffers = field(default_factory=EngineOffers)
    more_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """What everything that the run makes in an engine is labelled with."""
        return {RUN_LABEL: self.run_id, **self.more_labels}

    def user(self, team: Team) -> int:
        """The account that a team's containers run as: its own, or root by exception."""
        return 0 if team.exceptions.root else self.accounts.get(team.name, NOBODY)


def log_path(folders: RunFolders, job: ContainerJob) -> Path:
    """Where a job's log goes."""
    return folders.logs / job.team.name / f"{job.label.replace('/', '_').replace(' ', '-')}.log"
