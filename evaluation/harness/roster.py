"""Who takes part and under which rules: the YAML file of ``feta-evaluate run``. ``roster.yaml`` beside this is one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path

from evaluation.harness.engine_offers import Wall
from feta.errors import FetaError
from feta.settings import read_settings

#: Fit for a folder, a container's label and a report; no subject's name, and no file of ours.
_NAME = re.compile(r"(?!sub-)[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}(?<![ .])")
_RESERVED = frozenset({"runs.json", "derivatives"})
_PHASE = re.compile(r"(?!(?:index|site)$)[a-z0-9][a-z0-9-]{0,31}")
_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
#: MB, KB, processes or files: beyond what any machine has, and still a number for the engine.
_MOST = 1 << 30
#: Mounted by the runner or the engine itself.
_TAKEN = ("/input", "/output", "/input_img", "/input_meta", "/proc", "/sys", "/dev")


class Convention(StrEnum):
    """How a submission is called; see ``evaluation.harness.conventions``."""

    FOLDER = "folder"
    FOLDER_ALL = "folder-all"
    CASE_2024 = "2024-case"
    ALL_2024 = "2024-all"
    CASE_2021 = "2021"


@dataclass(frozen=True)
class ResourceLimits:
    """What one container, or one team in all its containers, may use.

    Attributes:
        case_seconds: wall clock of a case; a call for all cases has this times their number.
        team_seconds: wall clock of all the team's containers together.
        memory_mb: swap is none. What lies in ``/tmp``, the shared memory and the results counts here too.
        cpus: may be a fraction.
        processes: threads included.
        open_files: of one process.
        shm_mb: shared memory; 64 is what engines give.
        tmp_mb: of ``/tmp``, and of each other folder that may be written to.
        output_mb, output_files: of all results of one container.
        log_kb: how much of what a container prints is kept, from its end.
    """

    case_seconds: float = 1800.0
    team_seconds: float = math.inf
    memory_mb: int = 16384
    cpus: float = 4.0
    processes: int = 256
    open_files: int = 16384
    shm_mb: int = 64
    tmp_mb: int = 2048
    output_mb: int = 1024
    output_files: int = 10_000
    log_kb: int = 256

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} must be more than 0")
            if isinstance(getattr(self, field.name), int) and getattr(self, field.name) > _MOST:
                raise ValueError(f"{field.name} must be at most {_MOST}")
        if self.memory_mb < 8:
            raise ValueError("memory_mb must be at least 8")
        if not 0.01 <= self.cpus <= _MOST:
            raise ValueError("cpus must be at least 0.01")


@dataclass(frozen=True)
class Exceptions:
    """What a team is allowed beyond the others; each is shown on the report. A network, more rights: not offered.

    Attributes:
        root: runs as root, still without any capability.
        writable_input: a copy of the input that it may change, for programs that write beside their input.
        shm_mb: more shared memory than the limit of all.
        scratch: further folders that may be written to, each as large as ``/tmp``.
        why: a word for the report.
    """

    root: bool = False
    writable_input: bool = False
    shm_mb: int | None = None
    scratch: tuple[str, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        if self.shm_mb is not None and not 0 < self.shm_mb <= _MOST:
            raise ValueError(f"shm_mb must be more than 0 and at most {_MOST}")
        for path in self.scratch:
            inside = path == "/" or ".." in path.split("/") or any(f"{path}/".startswith(f"{t}/") for t in _TAKEN)
            if not _PATH.fullmatch(path) or inside:
                raise ValueError(f"scratch: {path!r} is no folder that can be offered")

    def named(self) -> tuple[str, ...]:
        """The exceptions in words, for people."""
        listed = (
            (self.root, "root"),
            (self.writable_input, "writable copy of the input"),
            (self.shm_mb is not None, f"shared memory {self.shm_mb} MB"),
            (bool(self.scratch), f"may write to {', '.join(self.scratch)}"),
        )
        return tuple(words for granted, words in listed if granted)


@dataclass(frozen=True)
class Team:
    """One submission: its name, its image, how it is called, and what is allowed to it alone."""

    name: str
    image: str
    convention: Convention = Convention.FOLDER
    exceptions: Exceptions = Exceptions()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.casefold() in _RESERVED:
            raise ValueError(f"{self.name!r} is no name for a team; use letters, digits, blanks, dots, _ and -")
        if not self.image or self.image.startswith("-"):
            raise ValueError(f"{self.image!r} is no image")


class Counts(StrEnum):
    """Which of a team's submissions of a phase counts."""

    BEST = "best"
    LAST = "last"


@dataclass(frozen=True)
class Phase:
    """A time in which teams may hand in, and what of it counts. Times without a zone are UTC.

    Attributes:
        name: small letters, digits and -; also its folder.
        opens, closes: a day alone is meant whole: from its first moment, to its last. None: always.
        a_day: how many submissions are taken of a team on a day of UTC.
        at_most: how many in all; None for any number.
        counts: ``best`` by its own submissions' ranking in each task, or the ``last`` that was scored.
        hidden: the site tells that it exists, and no result.
    """

    name: str
    opens: datetime | date | None = None
    closes: datetime | date | None = None
    a_day: int = 1
    at_most: int | None = None
    counts: Counts = Counts.LAST
    hidden: bool = False

    def __post_init__(self) -> None:
        if not _PHASE.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name for a phase; use small letters, digits and -")
        if self.a_day < 1 or (self.at_most is not None and self.at_most < 1):
            raise ValueError(f"{self.name}: a_day and at_most must be at least 1")
        if self.begin >= self.end:
            raise ValueError(f"{self.name}: closes before it opens")

    @property
    def begin(self) -> datetime:
        """The first moment, UTC."""
        return _moment(self.opens, time.min, datetime.min)

    @property
    def end(self) -> datetime:
        """The last moment, UTC."""
        return _moment(self.closes, time.max, datetime.max)


def _moment(given: datetime | date | None, of_day: time, never: datetime) -> datetime:
    if given is None:
        return never.replace(tzinfo=UTC)
    if not isinstance(given, datetime):
        given = datetime.combine(given, of_day)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


@dataclass(frozen=True)
class Roster:
    """The whole file.

    Attributes:
        phases: none for a roster without; with any, ``run`` is told which.
        parallel: how many teams run at the same time, where no GPU is named.
        gpus: ids of GPUs; each runs one team at a time. Without a GPU in the engine, all run on the CPU.
        helper_image: any small image of yours with ``sleep``; holds the results while they are fetched.
        isolation: what keeps containers apart; a run refuses engines that can't keep one of these.
    """

    teams: tuple[Team, ...]
    phases: tuple[Phase, ...] = ()
    limits: ResourceLimits = ResourceLimits()
    parallel: int = 1
    gpus: tuple[str, ...] = ()
    helper_image: str = "debian:bookworm-slim"
    isolation: tuple[Wall, ...] = tuple(Wall)

    def __post_init__(self) -> None:
        if not self.teams:
            raise ValueError("there is no team")
        # Some file systems don't tell capitals from small letters.
        names = [team.name.casefold() for team in self.teams]
        twice = [team.name for team in self.teams if names.count(team.name.casefold()) > 1]
        if twice:
            raise ValueError(f"two teams are called {twice[0]!r}")
        phases = [phase.name for phase in self.phases]
        if len(set(phases)) < len(phases):
            raise ValueError("two phases have one name")
        if self.parallel < 1:
            raise ValueError("parallel must be at least 1")
        if len(set(self.gpus)) < len(self.gpus):
            raise ValueError("a GPU is named twice")

    def team(self, name: str) -> Team:
        """The team of this name."""
        return next(team for team in self.teams if team.name == name)


def read_roster(path: Path) -> Roster:
    """Read a roster.

    Raises:
        FetaError: it can't be read, or an entry is missing, unknown, of another type or out of range.
    """
    if not path.is_file():
        raise FetaError(path, "does not exist", "start from evaluation/harness/roster.yaml")
    return read_settings(Roster, path)
