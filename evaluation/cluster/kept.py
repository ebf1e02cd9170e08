"""What a worker keeps from one job of a team to the next: a connection to its engine, and volumes for results.

The container that holds volumes costs as much to start as a submission's, so that one serves several jobs, as on one
machine. What nobody has used for a while is removed; what a killed worker kept is removed by its reaper.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from evaluation.cluster.request import JobRequest
from evaluation.harness.context import RunContext, RunFolders
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.volumes import ResultVolumes
from feta.errors import FetaError

_IDLE_SECONDS, _SECONDS_BETWEEN_LOOKS = 20.0, 2.0


@dataclass(eq=False)
class Kept:
    """For one job at a time.

    Attributes:
        offers: what the engine said of itself when this was made.
        since: when it was last put back, monotonic seconds.
    """

    request: JobRequest
    engine: Engine
    offers: EngineOffers
    volumes: ResultVolumes
    since: float = 0.0

    def serves(self, request: JobRequest) -> bool:
        """Whether it was made for the like."""
        mine = self.request
        return (mine.run_id, mine.job.team, mine.helper_id, mine.user, mine.limits) == (
            request.run_id, request.job.team, request.helper_id, request.user, request.limits,
        )  # fmt: skip

    def usable(self) -> bool:
        """Whether the engine still has what it held."""
        with suppress(FetaError, RefusedError):
            return self.volumes.held()
        return False

    def close(self) -> None:
        """Remove it; what an engine that is gone doesn't remove now goes with its process's or its run's label."""
        with suppress(FetaError, RefusedError):
            self.volumes.close()
        with suppress(FetaError, RefusedError, OSError):
            self.engine.close()


_guard = threading.Lock()
_idle: list[Kept] = []
_janitor: threading.Thread | None = None


@contextmanager
def kept(request: JobRequest, labels: Mapping[str, str]) -> Iterator[Kept]:
    """An engine and volumes for a job; kept for the next one, unless an error comes out of it.

    Args:
        labels: of all that is kept, beside the run's.

    Raises:
        FetaError: the engine doesn't answer.
    """
    mine = _taken(request) or _made(request, labels)
    try:
        yield mine
    except BaseException:
        mine.close()
        raise
    mine.since = time.monotonic()
    with _guard:
        _idle.append(mine)
        _start_janitor()


def close_kept(run_id: str) -> None:
    """Remove what is kept for a run."""
    _close(lambda each: each.request.run_id == run_id)


def _taken(request: JobRequest) -> Kept | None:
    while True:
        with _guard:
            mine = next((each for each in reversed(_idle) if each.serves(request)), None)
            if mine is None:
                return None
            _idle.remove(mine)
        if mine.usable():
            return mine
        mine.close()  # its engine was started again, say


def _made(request: JobRequest, labels: Mapping[str, str]) -> Kept:
    engine, team = Engine(), request.job.team
    try:
        offers = engine.offers()
    except BaseException:
        engine.close()
        raise
    context = RunContext(
        request.run_id, RunFolders(Path()), request.limits, {}, request.helper_id, (), {team.name: request.user},
        offers, labels,
    )  # fmt: skip
    return Kept(request, engine, offers, ResultVolumes(engine, context, team, 1 + request.further))


def _close(which: Callable[[Kept], bool]) -> None:
    with _guard:
        gone = [each for each in _idle if which(each)]
        _idle[:] = [each for each in _idle if each not in gone]
    for each in gone:
        each.close()


def _start_janitor() -> None:
    global _janitor
    if _janitor is None:
        _janitor = threading.Thread(target=_tidy, daemon=True)
        _janitor.start()


def _tidy() -> None:
    """Until nothing is kept any more."""
    global _janitor
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        _close(lambda each: time.monotonic() - each.since > _IDLE_SECONDS)
        with _guard:
            if not _idle:
                _janitor = None
                return
