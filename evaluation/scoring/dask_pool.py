"""Run tasks on an existing dask scheduler: the same work as ``process_pool``, on more than one machine.

Every worker must see truth, submissions and cache under the same paths and have this version of the evaluator.
A worker that dies takes nothing with it: dask does its tasks again elsewhere, those that were done too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evaluation.cluster.connection import Address, connected
from evaluation.scoring.cache import VERSION
from evaluation.scoring.case_task import CaseResult, CaseTask, run_case
from evaluation.scoring.process_pool import alone
from feta.errors import FetaError


def run_on(tasks: Sequence[CaseTask], address: str | Address, progress: Callable[[int, int], None]) -> list[CaseResult]:
    """Results of all tasks, in their order.

    Args:
        address: of the scheduler; a text is one that is not encrypted.
        progress: called with the number of tasks done and of all.

    Raises:
        FetaError: ``distributed`` isn't installed, no scheduler answers, or its workers can't do the work.
    """
    reached = Address(address) if isinstance(address, str) else address
    with connected(reached, "feta-score") as client, client.as_current():
        return _run(client, tasks, reached.url, progress)


def _run(
    client: Any, tasks: Sequence[CaseTask], address: str, progress: Callable[[int, int], None]
) -> list[CaseResult]:
    from distributed import KilledWorker, as_completed

    def attempt(task: CaseTask) -> CaseResult | None:
        try:
            return client.submit(run_case, task, pure=False).result()
        except KilledWorker:
            return None

    _check_workers(client, address)
    places = {client.submit(run_case, task, pure=False): i for i, task in enumerate(tasks)}
    done: dict[int, CaseResult] = {}
    progress(0, len(tasks))
    for future in as_completed(places):
        place = places[future]
        # Several workers died of it, or of one that was there at the same time.
        killed = future.status == "error" and isinstance(future.exception(), KilledWorker)
        done[place] = alone(tasks[place], attempt) if killed else future.result()
        progress(len(done), len(tasks))
    return [done[i] for i in range(len(tasks))]


def evaluator_version() -> str:
    """What a worker answers with: measurements of another version aren't comparable."""
    return VERSION


def _check_workers(client: Any, address: str) -> None:
    """Refuse a scheduler without workers, and workers without this evaluator."""
    try:
        versions: dict[str, str] = client.run(evaluator_version)
    except ModuleNotFoundError as error:
        raise FetaError(address, f"a worker can't import the evaluator ({error})", "install it there, too") from error
    if not versions:
        raise FetaError(address, "the scheduler has no worker", "start one on each machine: dask worker ADDRESS")
    for worker, version in versions.items():
        if version != VERSION:
            raise FetaError(worker, f"has evaluator {version}, not {VERSION}", "install the same one on all machines")
