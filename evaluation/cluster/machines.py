"""A cluster as the place where teams run: its workers, which of them are fit, and what all of them have in common."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from evaluation.cluster.connection import Address, connected
from evaluation.cluster.dispatch import Dispatcher
from evaluation.cluster.facts import (
    Question,
    ask,
    clock_warnings,
    differs,
    end,
    other_images,
    places_of,
    tidy,
    twice_given,
    unfit,
)
from evaluation.cluster.lanes import check_sent
from evaluation.cluster.request import WorkerFacts
from evaluation.harness.context import RunContext, RunFolders
from evaluation.harness.engine_errors import GoneError
from evaluation.harness.engine_offers import EngineOffers
from evaluation.harness.roster import Roster, Team
from evaluation.harness.state import RunState
from evaluation.harness.workers import OnCasesDone, terminated_as_interrupted
from feta.cases import Case
from feta.errors import FetaError, HostError, error_kind
from feta.files import write_atomically

_LOG = logging.getLogger(__name__)
_CONTINUES = "the same command continues where it stopped"
#: A worker that could not do a job is asked again after some time, and given up after some faults.
_PATIENCE_SECONDS, _SECONDS_TO_TELL, _SECONDS_BETWEEN_LOOKS = 180.0, 5.0, 1.0
#: Where the first workers that come are not fit, others may be.
_SECONDS_TO_BE_FIT = 6.0
_SECONDS_TO_MEND, _MOST_FAULTS, _MOST_LINES = 30.0, 3, 5


@contextmanager
def _shown(shared: Path) -> Iterator[None]:
    """A file for as long as workers may be asked for it; nothing of it is left, nor folders that were made for it."""
    made = [folder for folder in shared.parents if not folder.exists()]
    try:
        shared.parent.mkdir(parents=True, exist_ok=True)
        shared.parent.chmod(0o700)  # as in the run: whom it is closed to is told of now, and not at the first job
    except OSError as error:
        said = f"can't be written ({error.strerror})"
        raise error_kind(error)(shared.parent, said, "choose a folder you can write to") from error
    write_atomically(shared, "Removed when the run has ended.\n")
    try:
        yield
    finally:
        shared.unlink(missing_ok=True)
        with suppress(OSError):  # the run has put more there
            for folder in made:
                folder.rmdir()


@dataclass(frozen=True)
class _Answers:
    """What workers said, by their address: ``WorkerFacts``, or an error; Unix times before and after."""

    asked: float
    answered: float
    found: Mapping[str, Any]


class Cluster:
    """The workers of a dask scheduler, as ``evaluation.harness.workers.Machines``.

    Args:
        address: of the scheduler.
        roster: who is to run; workers are asked for the images.
        folders: of the run, which all workers see, unless
        send: the input is sent with each job.

    Raises:
        FetaError: the scheduler doesn't answer, has no worker, none of them is fit, or another run into the same
            folder is at work there.
    """

    def __init__(self, address: Address, roster: Roster, folders: RunFolders, *, send: bool = False) -> None:
        self.way, self.team_at_once, self._roster, self.send = address.way, False, roster, send
        images = (*dict.fromkeys(team.image for team in roster.teams), roster.helper_image)
        token = uuid.uuid4().hex
        # No other run into this folder has a file of this name, and no other folder.
        shared = None if send else folders.staged.parent / f"seen-{token}"
        self._question = Question(images, bool(roster.gpus), shared)
        #: Fit workers by address; and those that are not: address → when to ask again.
        self.fit: dict[str, WorkerFacts] = {}
        self._unfit: dict[str, float] = {}
        self._faults: Counter[str] = Counter()
        #: Address → host, of all that ever answered.
        self._hosts: dict[str, str] = {}
        #: Address → label of what it starts, likewise.
        self._labels: dict[str, str] = {}
        self._lines: dict[str, None] = {}
        #: Who is being asked during the run, and what has come of it.
        self._asked: set[str] = set()
        self._answers: SimpleQueue[tuple[str, _Answers]] = SimpleQueue()
        #: Of the run, once it is under way.
        self._context: RunContext | None = None
        self._stack = ExitStack()
        try:
            if shared:
                self._stack.enter_context(_shown(shared))
            self.client = self._stack.enter_context(connected(address, f"feta-{token[:8]}"))
            self._wait(address.url)
        except BaseException:
            self._stack.close()
            raise

    def _wait(self, url: str) -> None:
        """Until there is a worker that is fit: they may be starting just now.

        Raises:
            FetaError: there is none for some minutes, or only others.
        """
        begun, told = time.monotonic(), False
        while True:
            self.refresh()
            if self.fit:
                return
            waited = time.monotonic() - begun
            if self._unfit and waited >= _SECONDS_TO_BE_FIT:
                said = f"none of its workers is fit: {'; '.join(list(self._lines)[:_MOST_LINES])}"
                raise FetaError(url, said)
            if waited > _SECONDS_TO_TELL and not told and not self._unfit:
                _LOG.warning("%s: the scheduler has no worker yet; it is waited for, %.0f s", url, _PATIENCE_SECONDS)
                told = True
            if waited > _PATIENCE_SECONDS:
                said = "the scheduler has no worker"
                raise FetaError(url, said, "start one on each machine: docs/how-to/cluster.md")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    @property
    def last_line(self) -> str:
        """What was last said of a worker that is not fit."""
        return next(reversed(self._lines), "")

    def refresh(self) -> None:
        """See who is there, and ask those that are new, or may have been mended.

        Raises:
            HostError: the scheduler is gone.
            FetaError: workers differ in what must be the same, or can't keep what the roster promises.
        """
        with self._asking():
            there = set(self.client.nthreads())
        self.fit = {name: facts for name, facts in self.fit.items() if name in there}
        self._unfit = {name: again for name, again in self._unfit.items() if name in there}
        now = time.monotonic()
        due = [name for name in there - set(self.fit) - self._asked if self._unfit.get(name, 0.0) <= now]
        if due and self._context is None:
            with self._asking():
                self._judge(self._ask(due), there)
            return
        # An engine that hangs takes minutes to say so: no other worker is to wait for it.
        for name in due:
            self._asked.add(name)
            threading.Thread(target=self._ask_alone, args=(name,), daemon=True).start()
        with suppress(Empty):
            while True:
                name, answers = self._answers.get_nowait()
                self._asked.discard(name)
                self._judge(answers, there)

    def _ask(self, names: Sequence[str]) -> _Answers:
        asked = time.time()
        found = self.client.run(ask, self._question, workers=list(names), on_error="return")
        return _Answers(asked, time.time(), found)

    def _ask_alone(self, name: str) -> None:
        answers = _Answers(0.0, 0.0, {})
        with suppress(Exception):  # the scheduler is gone, which the next look tells; or the worker
            answers = self._ask([name])
        self._answers.put((name, answers))

    def _judge(self, answers: _Answers, there: Collection[str]) -> None:
        told = dict[str, WorkerFacts]()
        for name, facts in answers.found.items():
            if isinstance(facts, OSError) or name not in there:
                continue  # it has gone meanwhile
            if not isinstance(facts, WorkerFacts):
                self._put_aside(name, name, f"can't run the evaluator ({facts}); install the same release there")
                continue
            told[name], self._hosts[name], self._labels[name] = facts, facts.host, facts.label
            problem = unfit(facts, self._question, self._roster)
            if not problem and self._context:
                problem = differs(facts, self._roster, self._context)
            if problem:
                self._put_aside(name, facts.host, problem)
                continue
            self._unfit.pop(name, None)
            self.fit[name] = facts
            others = other_images(facts, self._roster, self._context) if self._context else ()
            for said, images in (("lacks the image", facts.missing), ("has, by another id, the image", others)):
                if images:
                    self._lines[line := f"{facts.host}: {said} {', '.join(images)}"] = None
                    _LOG.warning("%s; it is given no job of it", line)
        if self._context:
            self._tidy(told)
        for line in clock_warnings(told, answers.asked, answers.answered):
            _LOG.warning("%s", line)
        if self._question.gpu:
            self._refuse_twice_given(told)

    def _refuse_twice_given(self, new: Mapping[str, WorkerFacts]) -> None:
        for name, facts in new.items():
            said = twice_given({other: each for other, each in self.fit.items() if each.host == facts.host})
            if said and self._context is None:
                raise FetaError("--scheduler", said)
            # A machine that was started again is on the scheduler's list twice for a while.
            if said and name in self.fit:
                self._put_aside(name, facts.host, said)

    def _tidy(self, new: Mapping[str, WorkerFacts]) -> None:
        """What a killed worker left on a machine is removed before a new one there is given the same GPU, say."""
        there = {*self.fit, *self._unfit, *new}
        kept = {self._labels[name] for name in self._labels if name in there}
        hosts = {facts.host: name for name, facts in new.items() if name in self.fit}
        for host, name in hosts.items():
            gone = [other for other in self._labels if other not in there and self._hosts[other] == host]
            labels = tuple({self._labels.pop(other) for other in gone} - kept)
            if labels:
                with self._asking():
                    self.client.run(tidy, labels, workers=[name], on_error="ignore")

    def _put_aside(self, name: str, host: str, problem: str) -> None:
        self.fit.pop(name, None)
        self._unfit[name] = float("inf") if self._faults[name] >= _MOST_FAULTS else time.monotonic() + _SECONDS_TO_MEND
        line = f"{host}: {problem}"
        if line not in self._lines:
            _LOG.warning("%s; it is given no job", line)
        self._lines[line] = None

    def fault(self, name: str, line: str) -> None:
        """A worker could not do a job: it is given none until it was asked again."""
        self._faults[name] += 1
        self._put_aside(name, self._hosts.get(name, name), line)

    def did(self, name: str) -> None:
        """A worker has done a job: what it could not do before is past."""
        self._faults.pop(name, None)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turns what dask raises where the scheduler is gone into a line."""
        cause: OSError | None = None
        try:
            yield
        except OSError as error:  # TimeoutError is one
            cause = error
        if cause is not None or self.client.status != "running":
            raise HostError("--scheduler", "the scheduler is gone", f"start it again; {_CONTINUES}") from cause

    def places(self, roster: Roster) -> int:
        """As ``Machines``."""
        return sum(self._places(facts) for facts in self.fit.values())

    def _places(self, facts: WorkerFacts) -> int:
        return places_of(facts, gpu=self._question.gpu, memory_mb=self._roster.limits.memory_mb)

    def lacking(self, roster: Roster, teams: Sequence[Team], cases: Sequence[Case]) -> list[str]:
        """As ``Machines``: what is wrong with workers, and inputs that are too large to be sent."""
        found = list(self._lines)
        for team in teams if self.send else ():
            try:
                check_sent(team, cases)
            except FetaError as error:
                found.append(str(error))
        return found

    def workers_for(self, image: str, image_id: str) -> list[str]:
        """Fit workers that have an image."""
        return [name for name, facts in self.fit.items() if facts.images.get(image) == image_id]

    def engines(self) -> Sequence[tuple[str, EngineOffers]]:
        """As ``Machines``: each engine of a host once."""
        return list(dict.fromkeys((facts.host, facts.offers) for facts in self.fit.values()))

    def image_id(self, name: str) -> str:
        """As ``Machines``."""
        ids = {facts.images[name]: facts.host for facts in self.fit.values() if name in facts.images}
        if not ids:
            raise GoneError(name, "no worker has such an image", "docker load or pull it on each of them")
        if len(ids) > 1:
            (first, one), (second, other) = list(ids.items())[:2]
            said = f"is {first[:19]} on {one} and {second[:19]} on {other}"
            raise FetaError(name, said, "have the very same on all of them, by docker save and load")
        return next(iter(ids))

    def at_once(self, roster: Roster, machine: str) -> int:
        """As ``Machines``: of all workers of a host."""
        return sum(self._places(facts) for facts in self.fit.values() if facts.host == machine)

    def remove_labelled(self, label: str) -> int:
        """As ``Machines``, for a run's label; jobs of the run that are still at work are ended."""
        with self._asking():
            counts: dict[str, Any] = self.client.run(end, label.partition("=")[2], on_error="ignore")
        return max(counts.values(), default=0)

    def run_teams(
        self, roster: Roster, teams: Sequence[Team], context: RunContext, state: RunState, on_cases_done: OnCasesDone
    ) -> None:
        """As ``Machines``."""
        self._context = context
        with terminated_as_interrupted():
            Dispatcher(self, roster, context, state, on_cases_done).run(teams)

    def close(self) -> None:
        """As ``Machines``."""
        with suppress(OSError, TimeoutError):
            self._stack.close()
