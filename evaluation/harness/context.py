"""Where a run keeps its files, and what all its containers have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation.harness.conventions import ContainerJob
from evaluation.harness.roster import ResourceLimits
from feta.cases import Case

#: What everything of a run in the engine is labelled with: its id.
RUN_LABEL = "feta.run"


@dataclass(frozen=True)
class RunFolders:
    """The output folder's parts. Only ``submissions`` is for the evaluator; ``logs`` holds what containers printed."""

    root: Path

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
        return self.root / "work" / "input"

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
    """

    run_id: str
    folders: RunFolders
    limits: ResourceLimits
    images: dict[str, str]
    helper_id: str
    cases: tuple[Case, ...]


def log_path(folders: RunFolders, job: ContainerJob) -> Path:
    """Where a job's log goes."""
    return folders.logs / job.team.name / f"{job.label.replace('/', '_').replace(' ', '-')}.log"
