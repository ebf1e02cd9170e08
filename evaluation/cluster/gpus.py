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


def gpu_ids(count: int, visible: str | None) -> tuple[str, ...]:
    """The GPUs that a worker gives: as many as it was started with, of those that it may see.

    Args:
        count: of ``--resources``.
        visible: the variable CUDA_VISIBLE_DEVICES, which Slurm sets for each job; None or empty: the first ones.
    """
    named = [entry.strip() for entry in (visible or "").split(",") if entry.strip()]
    return tuple((named or [str(number) for number in range(count)])[:count])


def gpus_of(worker: Any) -> tuple[str, ...]:
    """Those of a dask worker."""
    count = int(worker.state.total_resources.get(RESOURCE, 0))
    return gpu_ids(count, os.environ.get("CUDA_VISIBLE_DEVICES"))


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
