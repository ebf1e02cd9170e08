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

from evaluation.cluster.gpus import RESOURCE, gpu_count, gpus_of
from evaluation.cluster.remote import end_jobs, process_label, remove_left
from evaluation.cluster.request import WorkerFacts, code, packages
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RunContext
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import GoneError, RefusedError
from evaluation.harness.engine_offers import check_isolation
from evaluation.harness.roster import Roster
from evaluation.harness.workers import gpu_problem
from feta.errors import FetaError

#: What a worker may be started with beside GPUs: bytes for containers.
MEMORY = "MEMORY"
#: Clocks that differ by more are told of, seconds.
_CLOCK_SECONDS = 30.0
_SAME = "install the same release on all machines"


@dataclass(frozen=True)
class Question:
    """What workers are asked.

    Attributes:
        images: that they must have, the helper's last.
        gpu: whether the roster names GPUs.
        shared: a file that only who sees the run's folder can find; None where the input is sent.
    """

    images: tuple[str, ...]
    gpu: bool
    shared: Path | None


async def ask(question: Question, dask_worker: Any = None) -> WorkerFacts:
    """A worker's answer; called by dask in the worker's event loop, which must not wait for an engine."""
    return await asyncio.to_thread(_facts, question, dask_worker)


async def end(run_id: str) -> int:
    """End a worker's jobs of a run; see ``end_jobs``. Minus one where its engine doesn't answer."""
    try:
        return await asyncio.to_thread(end_jobs, run_id)
    except (FetaError, RefusedError):
        return -1


async def tidy(labels: Sequence[str]) -> None:
    """Remove what carries one of these labels in a worker's engine."""
    for label in labels:
        await asyncio.to_thread(remove_left, label)


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
            if question.gpu and question.images[-1] in ids:
                problem = _gpu_problem(engine, ids[question.images[-1]], worker)
    except (FetaError, RefusedError, OSError) as error:
        problem = str(error)
    try:
        known["label"] = "=".join(*process_label(worker).items())
        known["free"] = shutil.disk_usage(worker.local_directory).free
        known["sees_input"] = question.shared.is_file() if question.shared else None
    except OSError as error:  # an answer, too: dask would take it for a worker that has gone
        remedy = "; run it as the account of the call, or add --send" if isinstance(error, PermissionError) else ""
        problem = problem or f"can't look into {error.filename or question.shared} ({error.strerror}){remedy}"
    return WorkerFacts(
        host, code(), packages(), gpus=gpus_of(worker), resources=dict(worker.state.total_resources),
        slots=worker.state.nthreads, clock=time.time(), problem=problem, **known,
    )  # fmt: skip


def _gpu_problem(engine: Engine, helper_id: str, worker: Any) -> str:
    gpus, count = gpus_of(worker), gpu_count(worker)
    if not gpus:
        return f'offers no GPU, and the roster names some; start it with --resources "{RESOURCE}=1"'
    if count > len(gpus):  # dask would give it as many jobs, and one of them would wait in vain
        return f'was started with --resources "{RESOURCE}={count}", and may see {len(gpus)}; start it with as many'
    problems = (gpu_problem(engine, helper_id, engine.offers(), process_label(worker), gpu) for gpu in gpus)
    return next((problem for problem in problems if problem), "")


def unfit(facts: WorkerFacts, question: Question, roster: Roster) -> str:
    """Why a worker can't have jobs, in a few words; empty where it can."""
    if facts.problem:
        return facts.problem
    if facts.code != code():
        return f"has another release of the evaluator; {_SAME}"
    for name, release in packages().items():
        if facts.packages.get(name) != release:
            return f"has {name} {facts.packages.get(name)}, not {release}; {_SAME}"
    if roster.helper_image in facts.missing:
        return f"lacks the helper's image {roster.helper_image}; docker load or pull it there"
    if question.shared and not facts.sees_input:
        folder = question.shared.parent.parent
        return f"doesn't see {folder}; share it under the same path, or add --send"
    memory_mb = roster.limits.memory_mb
    if places_of(facts, gpu=question.gpu, memory_mb=memory_mb) < 1:
        return f"offers {facts.resources.get(MEMORY, 0) / MB:.0f} MB, and a container may use {memory_mb}"
    needed_mb = roster.limits.output_mb
    if facts.free < needed_mb * MB:
        said = f"has {facts.free / MB:.0f} MB free on the disk of its --local-directory"
        return f"{said}, and a container's results may take {needed_mb} (output_mb of the roster)"
    try:
        check_isolation("its engine", facts.offers, roster.isolation)
    except FetaError as error:
        return str(error)
    return ""


def differs(facts: WorkerFacts, roster: Roster, context: RunContext) -> str:
    """What a worker that came during a run has otherwise than those that it began with, in a few words."""
    if facts.images.get(roster.helper_image) != context.helper_id:
        return (
            f"has another {roster.helper_image} than the run began with; docker save it there, and docker load it here"
        )
    if facts.offers.cpus < context.limits.cpus:
        said = f"has {facts.offers.cpus:g} processors, and each container of this run gets {context.limits.cpus:g}"
        return f"{said}; end the call and make it again for fewer, the same for all"
    return ""


def other_images(facts: WorkerFacts, roster: Roster, context: RunContext) -> tuple[str, ...]:
    """Images of teams that a worker has by another id than the run began with."""
    ids = {team.image: context.images.get(team.name) for team in roster.teams}
    return tuple(image for image, known in ids.items() if known and facts.images.get(image, known) != known)


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
