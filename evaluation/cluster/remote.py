"""A job on a worker: the same functions as on the organizer's machine, in a folder of the worker's own.

Nothing is written to a folder that others see: results go back in the answer, and who waits for it writes them. So a
job that two workers did, since one of them was thought dead, is written once.
"""

from __future__ import annotations

import io
import logging
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.cluster.gpus import a_gpu
from evaluation.cluster.kept import Kept, close_kept, kept
from evaluation.cluster.reaper import SCRATCH, start_reaper
from evaluation.cluster.request import JobFault, JobRequest, JobResult
from evaluation.harness.context import RUN_LABEL, RunContext, RunFolders, log_path
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError
from evaluation.harness.job import StoppedError, Worker, run_job
from feta.cases import biometry_path, label_map_path
from feta.errors import FetaError
from feta.files import read_text

_LOG = logging.getLogger(__name__)
_TASK_LABEL, _PROCESS_LABEL = "feta.task", "feta.process"
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_END, _SECONDS_TO_APPEAR = 120.0, 30.0


@dataclass(eq=False)
class _Live:
    """A job at work in this process."""

    run_id: str
    label: str = field(default_factory=lambda: uuid.uuid4().hex)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


_guard = threading.Lock()
_live: set[_Live] = set()
_process = ""
_reaper: object = None


def run_remote(request: JobRequest) -> JobResult | JobFault:
    """Do a job in a worker's thread; whatever hinders this worker is an answer, too."""
    from distributed import get_worker

    worker = get_worker()
    name = str(worker.address)
    try:
        with (
            _alive(request.run_id, worker) as live,
            a_gpu(worker, request.gpu) as gpu,
            tempfile.TemporaryDirectory(dir=worker.local_directory, prefix=SCRATCH) as scratch,
            kept(request, process_label(worker)) as mine,
        ):
            return _do(request, live, mine, gpu, Path(scratch), worker)
    except StoppedError:
        return JobFault(name, "ended, since nobody waits for it", stopped=True)
    except (FetaError, RefusedError) as error:
        return JobFault(name, str(error))
    except OSError as error:
        return JobFault(name, f"{error.filename or worker.local_directory}: {error.strerror or error}")
    except Exception as error:
        _LOG.exception("a job of %s can't be done", request.job.team.name)  # a fault of ours: for the worker's log
        return JobFault(name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}; see its log")


def _do(request: JobRequest, live: _Live, mine: Kept, gpu: str | None, scratch: Path, worker: Any) -> JobResult:
    folders = RunFolders(scratch, _input(request, scratch))
    job, team = request.job, request.job.team
    own = folders.submissions / team.name
    own.mkdir(parents=True)
    context = RunContext(
        request.run_id, folders, request.limits, {team.name: request.image_id}, request.helper_id,
        request.everyone, {team.name: request.user}, mine.offers,
        {_TASK_LABEL: live.label, **process_label(worker)},
    )  # fmt: skip
    rows = run_job(Worker(mine.engine, context, mine.volumes, gpu, live.stop), job, request.seconds)
    paths = [path for case in job.cases for path in (label_map_path(own, case), biometry_path(own, case))]
    files = {path.relative_to(own).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return JobResult(tuple(rows), files, read_text(log_path(folders, job), 1 << 30), str(worker.address))


def _input(request: JobRequest, scratch: Path) -> Path:
    """The staged input: the folder that all share, or what was sent.

    Raises:
        FetaError: it is not there.
    """
    if isinstance(request.data, Path):
        folder, end = request.data / request.job.number, time.monotonic() + _SECONDS_TO_APPEAR
        while not folder.is_dir():
            if time.monotonic() < end:  # network file systems remember for a while what was not there
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                continue
            raise FetaError(request.data, "is not there", "share the output folder with all workers, or --send")
        return request.data
    folder = scratch / "work" / "input"
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(request.data)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def process_label(worker: Any) -> dict[str, str]:
    """The label of all that this process starts; what is left of it when it is killed is removed.

    Args:
        worker: what it works on lies in the worker's own folder, and is removed with it.
    """
    global _process, _reaper
    with _guard:
        if not _process:
            made = uuid.uuid4().hex
            # Kept: with the object its pipe would go, which stands for this process's life.
            _reaper = start_reaper(f"{_PROCESS_LABEL}={made}", Path(worker.local_directory))
            _process = made
        return {_PROCESS_LABEL: _process}


@contextmanager
def _alive(run_id: str, worker: Any) -> Iterator[_Live]:
    """A job that is ended when nobody waits for it any more: client, scheduler, or the worker itself has gone."""
    live, key = _Live(run_id), worker.get_current_task()
    with _guard:
        _live.add(live)
    watcher = threading.Thread(target=_watch, args=(live, worker, key), daemon=True)
    watcher.start()
    try:
        yield live
    finally:
        live.ended.set()
        with _guard:
            _live.discard(live)


def _watch(live: _Live, worker: Any, key: str) -> None:
    while not live.ended.wait(_SECONDS_BETWEEN_LOOKS):
        task = worker.state.tasks.get(key)
        if live.stop.is_set() or task is None or task.state == "cancelled" or worker.status.name not in _AT_WORK:
            live.stop.set()
            # Again and again, until the job has noticed: a container may be started meanwhile.
            remove_left(f"{_TASK_LABEL}={live.label}")


_AT_WORK = ("running", "paused", "init")


def remove_left(label: str) -> None:
    """Remove what carries a label, as far as the engine does it now."""
    try:
        with closing(Engine()) as engine:
            engine.remove_labelled(label)
    except (FetaError, RefusedError):
        return  # the job itself meets that, and says so


def end_jobs(run_id: str) -> int:
    """End this process's jobs of a run, and remove what is left of it in the engine; how many containers that were.

    Raises:
        FetaError: the engine doesn't answer.
    """
    with _guard:
        mine = [live for live in _live if live.run_id == run_id]
    for live in mine:
        live.stop.set()
    for live in mine:
        live.ended.wait(_SECONDS_TO_END)
    close_kept(run_id)
    with closing(Engine()) as engine:
        return engine.remove_labelled(f"{RUN_LABEL}={run_id}")
