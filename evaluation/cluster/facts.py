"""What workers are asked before they are given anything, and whether they are fit for it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.cluster.gpus import RESOURCE, gpus_of
from evaluation.cluster.remote import end_jobs
from evaluation.cluster.request import WorkerFacts, code, packages
from evaluation.harness.container_spec import MB, helper_arguments
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import GoneError, RefusedError
from feta.errors import FetaError

#: What a worker may be started with beside GPUs: bytes for containers.
MEMORY = "MEMORY"
#: What the file in the shared folder is called that holds the run's id.
TOKEN = "run-id"
#: Clocks that differ by more are told of, seconds.
_CLOCK_SECONDS = 30.0
_SAME = "install the same release on all machines"


@dataclass(frozen=True)
class Question:
    """What workers are asked.

    Attributes:
        images: that they must have, the helper's last.
        gpu: whether the roster names GPUs.
        input_: the staged input where it is to be shared; None where it is sent.
        token: what stands in its file.
    """

    images: tuple[str, ...]
    gpu: bool
    input_: Path | None
    token: str


async def ask(question: Question, dask_worker: Any = None) -> WorkerFacts:
    """A worker's answer; called by dask in the worker's event loop, which must not wait for an engine."""
    return await asyncio.to_thread(_facts, question, dask_worker)


async def end(run_id: str) -> int:
    """End a worker's jobs of a run; see ``end_jobs``. Minus one where its engine doesn't answer."""
    try:
        return await asyncio.to_thread(end_jobs, run_id)
    except (FetaError, RefusedError):
        return -1


def _facts(question: Question, worker: Any) -> WorkerFacts:
    host, problem, missing = socket.gethostname(), "", []
    known: dict[str, Any] = {}
    try:
        with closing(Engine()) as engine:
            known["offers"], ids = engine.offers(), dict[str, str]()
            for image in question.images:
                try:
                    ids[image] = engine.image_id(image)
                except GoneError:
                    missing.append(image)
            known.update(images=ids, missing=tuple(missing))
            if question.gpu and not missing:
                problem = _gpu_problem(engine, ids[question.images[-1]], gpus_of(worker))
    except (FetaError, RefusedError) as error:
        problem = str(error)
    sees = None
    if question.input_ is not None:
        token = question.input_ / TOKEN
        sees = token.is_file() and token.read_text(encoding="utf-8") == question.token
    return WorkerFacts(
        host, code(), packages(), gpus=gpus_of(worker), resources=dict(worker.state.total_resources),
        slots=worker.state.nthreads, clock=time.time(), free=shutil.disk_usage(worker.local_directory).free,
        sees_input=sees, problem=problem, **known,
    )  # fmt: skip


def _gpu_problem(engine: Engine, helper_id: str, gpus: Sequence[str]) -> str:
    if not gpus:
        return f'offers no GPU, and the roster names some; start it with --resources "{RESOURCE}=1"'
    for gpu in gpus:
        try:
            engine.remove(engine.start(helper_arguments(helper_id, (), {}, gpu=gpu, offers=engine.offers())))
        except RefusedError as error:
            return f"its engine gives no GPU {gpu} ({error})"
    return ""


def unfit(facts: WorkerFacts, question: Question, memory_mb: int) -> str:
    """Why a worker can't have jobs, in a few words; empty where it can.

    Args:
        memory_mb: of a container.
    """
    if facts.problem:
        return facts.problem
    if facts.code != code():
        return f"has another release of the evaluator; {_SAME}"
    for name, release in packages().items():
        if facts.packages.get(name) != release:
            return f"has {name} {facts.packages.get(name)}, not {release}; {_SAME}"
    if facts.missing:
        return f"lacks the image {', '.join(facts.missing)}; docker load or pull it there"
    if facts.sees_input is False:
        return f"doesn't see {question.input_}, or another folder there; share the output folder, or add --send"
    if places_of(facts, gpu=question.gpu, memory_mb=memory_mb) < 1:
        return f"offers {facts.resources.get(MEMORY, 0) / MB:.0f} MB, and a container may use {memory_mb}"
    return ""


def places_of(facts: WorkerFacts, *, gpu: bool, memory_mb: int) -> int:
    """How many containers a worker has at the same time."""
    places = facts.slots
    if gpu:
        places = min(places, len(facts.gpus))
    if MEMORY in facts.resources:
        places = min(places, int(facts.resources[MEMORY] // (memory_mb * MB)))
    return places


def clock_warnings(workers: Mapping[str, WorkerFacts], asked: float, answered: float) -> list[str]:
    """A line for each machine whose clock is off.

    Args:
        asked, answered: Unix times between which all said theirs.
    """
    lines = {}
    for facts in workers.values():
        off = facts.clock - asked if facts.clock < asked else max(0.0, facts.clock - answered)
        if abs(off) > _CLOCK_SECONDS:
            said = f"{facts.host}: its clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}"
            lines[facts.host] = f"{said}: certificates and times in logs depend on it"
    return list(lines.values())


def twice_given(workers: Mapping[str, WorkerFacts]) -> str:
    """Where two workers of a machine give the same GPU, in a few words; empty where none does."""
    seen: dict[tuple[str, str], str] = {}
    for name, facts in workers.items():
        for gpu in facts.gpus:
            other = seen.setdefault((facts.host, gpu), name)
            if other != name:
                return f"{facts.host}: two workers give GPU {gpu}; start each with a CUDA_VISIBLE_DEVICES of its own"
    return ""
