"""Cases that are at work at the same time, each in a process of its own; one after the other where that suits."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from feta.errors import FetaError, HostError
from feta.machine import allowed_threads, available_memory
from feta.volumes import Volume, voxel_count
from inference.derivatives.metaimage import read_image
from inference.nnunet.folder import find_results
from inference.processes.ahead import ReadAhead
from inference.runs.case import ReadVolume, Result, process
from inference.runs.models import LoadedOnce, Loader, Models
from inference.runs.outputs import CaseJob
from inference.runs.run_state import Run, describe, shortage
from inference.runs.settings import Settings

if TYPE_CHECKING:
    from inference.processes.pool import Pool

#: Where a GPU shows; torch, which knows whether it can use it, is not imported for this.
_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
#: What a process is given, bytes: in any case, and for each voxel of its volume. At most taken, with one thread:
#: 1.4 GB at 128³, 1.8 at 256³, 2.4 at 384³; a network that finds too little left would predict in patches.
_BASE_MEMORY, _MEMORY_PER_VOXEL = 2.1e9, 24
#: A volume of more voxels is read in its own turn: the present case might lack the memory that it takes.
_MOST_AHEAD = 2**26
#: More were never tried; a container's limit on processes counts threads, of which each has several.
_MOST = 32


@dataclass(frozen=True)
class Done:
    """A case's result, and what is to be said of the networks that made it.

    Attributes:
        result: of the case.
        device: the processor's name and precision.
        warnings: about the choice of the device.
    """

    result: Result
    device: str
    warnings: tuple[str, ...]


class ModelError(Exception):
    """The networks can't be loaded, which no other case will change.

    Args:
        cause: why.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class CaseWork:
    """Does cases with networks that are loaded at the first; can be sent to another process until then.

    Args:
        settings: of the run.
        load: loads the networks.
    """

    def __init__(self, settings: Settings, load: Loader) -> None:
        self._measuring, self._networks = settings.measuring(), LoadedOnce(settings, load)

    def models(self) -> Models:
        """The networks.

        Raises:
            ModelError: they can't be loaded.
        """
        try:
            return self._networks.models()
        except Exception as error:
            raise ModelError(error) from error

    def __call__(self, job: CaseJob, read: ReadVolume = read_image) -> Done:
        """Do a case.

        Args:
            job: the case.
            read: reads its volume.

        Raises:
            ModelError: the networks can't be loaded.
        """
        models = self.models()
        result, notes = self._networks.run(lambda usable: process(job, usable, self._measuring, read))
        return Done(replace(result, warnings=(*result.warnings, *notes)), models.device, models.warnings)


#: A case: yields its job when work is to be done, and is sent what came of it, or has thrown in why nothing did.
Steps = Generator[CaseJob, Result, None]


@dataclass(eq=False)
class _Case:
    job: CaseJob
    steps: Steps
    #: The volume of the case that is likely to come after it.
    upcoming: Path | None = None
    #: How many might be done at once when it was given to a process.
    beside: int = 1


class _Here:
    """In place of ``Pool``: one case at a time, in this process; beside a GPU the next volume is read meanwhile."""

    size = 1

    def __init__(self, work: CaseWork, loaded: Callable[[str, Sequence[str]], None]) -> None:
        self._work, self._loaded = work, loaded
        self._read: ReadAhead[Volume] = ReadAhead(read_image)
        self._case: _Case | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()

    @property
    def busy(self) -> int:
        return int(self.full)

    @property
    def full(self) -> bool:
        return self._case is not None

    def give(self, case: _Case, _job: CaseJob) -> None:
        self._case = case

    def next(self) -> tuple[_Case, Done | Exception]:
        case, self._case = self._case, None
        assert case is not None
        try:
            models = self._work.models()
            self._loaded(models.device, models.warnings)  # before minutes of work
            return case, self._work(case.job, self._reader(case, models))
        except Exception as error:
            return case, error

    def _reader(self, case: _Case, models: Models) -> ReadVolume:
        """Reads the volume of this case, and then begins that of the next one, for which a GPU leaves the CPU time."""

        def read(path: Path) -> Volume:
            volume = self._read(path)
            if models.on_gpu and case.upcoming is not None:
                with suppress(FetaError):  # said in its own turn
                    if voxel_count(case.upcoming) <= _MOST_AHEAD:
                        self._read.begin(case.upcoming)
            return volume

        return read

    def shrink(self) -> None:
        raise AssertionError("one case at a time is the least")


_Team: TypeAlias = "_Here | Pool[_Case, CaseJob, Done]"


class AtOnce:
    """The cases of a run that are being done, to be used as a context.

    How many at once, and with how many threads each, is decided when as many wait as could be done at once, or all
    that are left: a single one gets this process and all of the threads.

    Args:
        state: of the run.
        work: does them.
        cases: how many may come at most.
    """

    def __init__(self, state: Run, work: CaseWork, cases: int) -> None:
        self._state, self._work = state, work
        self._most = most_at_once(state.settings, cases)
        self._waiting: deque[_Case] = deque()
        self._going: list[_Case] = []
        self._team: _Team | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stack.close()
        finally:  # what is claimed is free for others when nobody works on it any more
            for case in (*self._waiting, *self._going):
                case.steps.close()

    def add(self, steps: Steps, upcoming: Path | None = None) -> None:
        """Begin a case, and wait until another one can be begun.

        Args:
            steps: the case.
            upcoming: the volume of the case that is likely to be added next.

        Raises:
            HostError: what stops all cases.
            Exception: the networks can't be loaded.
        """
        job = next(steps, None)
        if job is not None:
            self._waiting.append(_Case(job, steps, upcoming))
            if self._team is None and self._state.settings.workers is None and len(self._waiting) == 1:
                # More would be claimed and called begun, and then wait.
                self._most = min(self._most, max(1, self._room()))
            if self._team is not None or len(self._waiting) == self._most:
                self._go_on(self._team or self._chosen())

    def finish(self) -> None:
        """Wait until all cases that were begun have ended.

        Raises:
            HostError: what stops all cases.
            Exception: the networks can't be loaded.
        """
        if self._waiting or self._going:
            self._go_on(self._team or self._chosen(), to_the_end=True)

    def _chosen(self) -> _Team:
        count = len(self._waiting)
        if self._state.settings.workers is None:
            count = min(count, self._room())
        if count < 2:
            self._team = self._stack.enter_context(_Here(self._work, self._state.loaded))
        else:
            # Imported here: a single case does without.
            from inference.processes.pool import Pool

            self._team = self._stack.enter_context(Pool(self._work, count, max(1, allowed_threads() // count)))
        self._state.report.clock.at_once = self._team.size
        return self._team

    def _room(self) -> int:
        return _with_room_for([case.job.case.image for case in self._waiting])

    def _go_on(self, team: _Team, *, to_the_end: bool = False) -> None:
        while True:
            while self._waiting and not team.full:
                self._give(team, self._waiting.popleft())
            if not (team.full or (to_the_end and team.busy)):
                return
            case, outcome = team.next()
            self._going.remove(case)
            why = shortage(outcome.cause if isinstance(outcome, ModelError) else outcome)
            if why and case.beside > 1:
                self._with_fewer(team, case, why)
            else:
                self._conclude(case, outcome)

    def _give(self, team: _Team, case: _Case) -> None:
        self._going.append(case)
        case.beside = team.size
        try:
            team.give(case, case.job)
        except HostError as error:
            if not team.busy:
                raise
            self._going.remove(case)
            self._with_fewer(team, case, error.problem)

    def _conclude(self, case: _Case, outcome: Done | Exception) -> None:
        if isinstance(outcome, ModelError):
            if shortage(outcome.cause):
                raise HostError("networks", "can't be loaded", describe(outcome.cause)) from outcome
            raise outcome.cause from outcome
        with suppress(StopIteration):
            if isinstance(outcome, Done):
                self._state.loaded(outcome.device, outcome.warnings)
                case.steps.send(outcome.result)
            else:
                case.steps.throw(outcome)

    def _with_fewer(self, team: _Team, case: _Case, why: str) -> None:
        """Do a case later, and from now on fewer at once."""
        before = team.size
        team.shrink()
        self._state.report.clock.at_once = team.size
        if team.size < before:  # or another case that was beside this one has been short before
            self._state.warn([f"{why} with {before} cases at once: {team.size} from then on"])
        self._waiting.appendleft(case)


def most_at_once(settings: Settings, cases: int) -> int:
    """How many cases may be done at once, as far as memory doesn't say otherwise.

    A case on one core, beside another, takes 1.8 times as long as on two (12.2 and 6.9 s at 256³), and each process has
    to start, which cost 5 s: few cases gain nothing from a process for each core. A GPU is one process's. What an
    nnU-Net needs is not known.
    """
    if settings.workers is not None:
        return min(settings.workers, cases)
    gpu = settings.device == "cuda" or (settings.device == "auto" and any(Path(path).exists() for path in _GPUS))
    if gpu or find_results(settings.weights) is not None:
        return 1
    cores = allowed_threads()
    return min(cores if cases >= 2 * cores else math.ceil(cores / 2), cases, _MOST)


def _with_room_for(volumes: Sequence[Path]) -> int:
    """How many cases as large as the largest of these have room in memory."""
    voxels = 0
    for path in volumes:
        with suppress(FetaError):  # said when the case is done
            voxels = max(voxels, voxel_count(path))
    return int(available_memory() // (_BASE_MEMORY + _MEMORY_PER_VOXEL * voxels))
