"""GPUs of a worker: which it may give, and that none is given twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from feta.errors import FetaError

#: What a worker is started with: ``--resources "GPU=1"``.
RESOURCE = "GPU"
#: dask counts them; one is late where a job that nobody waits for is still ending.
_PATIENCE_SECONDS = 180.0

_guard = threading.Lock()
_free: dict[str, SimpleQueue[str]] = {}


def gpu_ids(count: int, visible: str | None, of_job: str | None = None) -> tuple[str, ...]:
    """The GPUs that a worker gives, as its engine numbers them: as many as it was started with, of those it may see.

    Args:
        count: of ``--resources``.
        visible: the variable CUDA_VISIBLE_DEVICES; None or empty: the first ones.
        of_job: the variable SLURM_JOB_GPUS: the machine's numbers of a job's GPUs. Where Slurm shows a job no other
            devices than its own it counts ``visible`` from 0 in each job, and the engine, which is in none, would give
            GPU 0 to all of them.
    """
    named, own = _entries(visible), _entries(of_job)
    if own and all(entry.isdigit() for entry in named) and not set(named) <= set(own):
        named = [own[int(entry)] for entry in named if int(entry) < len(own)]
    return tuple((named or own or [str(number) for number in range(count)])[:count])


def _entries(variable: str | None) -> list[str]:
    return [entry.strip() for entry in (variable or "").split(",") if entry.strip()]


def gpu_count(worker: Any) -> int:
    """How many a dask worker was started with."""
    return int(worker.state.total_resources.get(RESOURCE, 0))


def gpus_of(worker: Any) -> tuple[str, ...]:
    """Those of a dask worker."""
    variables = (os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"))
    return gpu_ids(gpu_count(worker), *variables)


@contextmanager
def a_gpu(worker: Any, wanted: bool) -> Iterator[str | None]:
    """The id of a GPU that nobody else has for as long; None where none is wanted.

    Raises:
        FetaError: none is free.
    """
    if not wanted:
        yield None
        return
    with _guard:
        free = _free.get(worker.address)
        if free is None:
            free = _free[worker.address] = SimpleQueue()
            for number in gpus_of(worker):
                free.put(number)
    try:
        gpu = free.get(timeout=_PATIENCE_SECONDS)
    except Empty:
        raise FetaError(worker.address, "has no GPU to give", 'start it with --resources "GPU=1"') from None
    try:
        yield gpu
    finally:
        free.put(gpu)
