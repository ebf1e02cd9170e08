"""Where results lie until they are fetched: volumes of memory, which a container of ours holds for as long.

A volume is used by one container of a submission and never again. Several are held at once, since starting the
container that holds them costs as much as starting a submission.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from evaluation.harness.container_spec import HELD, MB, Place, helper_arguments, staged_places, volume_arguments
from evaluation.harness.context import RunContext
from evaluation.harness.conventions import Call
from evaluation.harness.engine import Engine
from evaluation.harness.roster import Team
from evaluation.harness.staging import pack, staged_size

HOLDER_LABEL = "feta.holder"
_BATCH = 8
#: Results larger than this are not kept in memory until the whole batch is used.
_KEPT_BYTES = 64 * MB


@dataclass(frozen=True)
class JobVolumes:
    """The volumes of one job.

    Attributes:
        places: what to mount: the input first, since the folder for results can lie in it.
        helper: id of the container that holds them.
        folder: where that has the results.
    """

    places: tuple[Place, ...]
    helper: str
    folder: str


class ResultVolumes:
    """Gives a team's jobs their volumes; a context manager that leaves nothing behind.

    Args:
        jobs: how many there are at most.
    """

    def __init__(self, engine: Engine, context: RunContext, team: Team, jobs: int) -> None:
        self._engine, self._context, self._team, self._batch = engine, context, team, min(jobs, _BATCH)
        self._label = uuid.uuid4().hex
        self._helper = ""
        self._unused: list[tuple[str, str]] = []

    def __enter__(self) -> ResultVolumes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the helper and every volume."""
        self._unused.clear()
        self._engine.remove_labelled(f"{HOLDER_LABEL}={self._label}")

    def held(self) -> bool:
        """Whether what was made for further jobs is still there; also where nothing was."""
        return not self._unused or self._engine.runs(self._helper)

    def give(self, call: Call, staged: Path) -> JobVolumes:
        """Fresh volumes for a job.

        Args:
            staged: the input.

        Raises:
            RefusedError: the engine makes none.
        """
        inputs = staged_places(call, staged)
        if self._team.exceptions.writable_input:
            self.close()
            copies = self._renew(1, [staged_size(Path(place.source)) for place in inputs])
            for place, (_, folder) in zip(inputs, copies, strict=True):
                self._fill(folder, Path(place.source))
            pairs = zip(inputs, copies, strict=True)
            inputs = [Place(name, place.target, is_volume=True, read_only=False) for place, (name, _) in pairs]
        elif not self._unused:
            self.close()
            self._renew(self._batch, [])
        name, folder = self._unused.pop()
        results = Place(name, call.results, is_volume=True, read_only=False)
        return JobVolumes((*inputs, results), self._helper, folder)

    def fetch(self, volumes: JobVolumes) -> Generator[bytes, None, None]:
        """The results of a job, as a tar archive."""
        return self._engine.fetch(volumes.helper, volumes.folder)

    def keeps(self, volumes: JobVolumes) -> bool:
        """Whether a job's volumes are still there: with the container that holds them, the results are gone."""
        return self._engine.runs(volumes.helper)

    def used(self, size: int) -> None:
        """A job's results were fetched: that many bytes."""
        if size > _KEPT_BYTES:
            self.close()

    def _renew(self, count: int, copies: list[int]) -> list[tuple[str, str]]:
        """Make volumes for results, and some that have room for copies; returns the latter's names and folders."""
        labels = {**self._context.labels, HOLDER_LABEL: self._label}
        names = [f"feta-{uuid.uuid4().hex}" for _ in range(count + len(copies))]
        for name, more in zip(names, [*[0] * count, *copies], strict=True):
            owner = self._context.offers.first_id + self._context.user(self._team)
            self._engine.make_volume(volume_arguments(name, owner, self._context.limits, labels, more=more))
        helper = helper_arguments(self._context.helper_id, names, labels, offers=self._context.offers)
        self._helper = self._engine.start(helper)
        pairs = [(name, f"{HELD}/{i}") for i, name in enumerate(names)]
        self._unused = pairs[:count]
        return pairs[count:]

    def _fill(self, folder: str, staged: Path) -> None:
        with tempfile.TemporaryFile() as archive:
            pack(staged, self._context.user(self._team), archive)
            self._engine.put(self._helper, folder, archive)
