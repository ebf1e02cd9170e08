"""What a rehearsal has found, a line each: from how each case ended, what was printed, and what would be rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.roster import ResourceLimits
from evaluation.rehearsal.sampling import Highest

#: Beyond this part of a limit, another machine or a larger case may go over it.
CLOSE = 0.7
_MB = 1 << 20
#: Words of libraries and shells → what they are about, and what it means here.
HINTS: tuple[tuple[str, str, str], ...] = (
    ("Read-only file system", "writes", "only /output and /tmp can be written to"),
    ("Network is unreachable", "network", "there is none"),
    ("Temporary failure in name resolution", "network", "there is none"),
    ("Name or service not known", "network", "there is none"),
    ("Could not resolve host", "network", "there is none"),
    ("Failed to establish a new connection", "network", "there is none"),
    ("Permission denied", "account", "it ran as an account of its own, not as root: let all read what it needs"),
    ("No space left on device", "space", "see tmp_mb, output_mb and shm_mb"),
    ("Bus error", "shared memory", "see shm_mb; with torch, a DataLoader without workers"),
    ("unable to open shared memory object", "shared memory", "see shm_mb"),
    ("Operation not permitted", "system calls", "some calls of the system are refused"),
    ("exec format error", "start", "the image is of another processor"),
    ("No CUDA GPUs are available", "GPU", "none was given: see --gpu"),
    ("Found no NVIDIA driver", "GPU", "none was given: see --gpu"),
)  # fmt: skip
_ABOUT = {
    CaseState.CRASHED: "exit status", CaseState.NO_RESULT: "result", CaseState.TIMED_OUT: "time",
    CaseState.OUT_OF_TIME: "time", CaseState.OUT_OF_MEMORY: "memory", CaseState.OUTPUT_FULL: "space",
    CaseState.NOT_STARTED: "start",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        weight: ``lost`` is penalised by the organizer; ``risk`` may be, on another machine or case; ``note``: look.
        about: ``exit status``, ``time``, ``memory``, ``format``, ``network``, ``writes``, …
    """

    weight: Literal["lost", "risk", "note"]
    about: str
    text: str

    def line(self) -> str:
        """As it is printed."""
        return f"{self.weight}: {self.about}: {self.text}"


@dataclass(frozen=True)
class Seen:
    """All that findings are made of.

    Attributes:
        rows: how each case ended.
        limits: under which they ran.
        mapped: cases with a label map.
        logs: log (by its label: a case, or all cases) → what the container printed.
        notes: the runner's own remarks, such as files that were left behind, by log.
        highest: memory and processes.
        problems, remarks: of ``feta-evaluate validate``.
    """

    rows: Sequence[CaseRow]
    limits: ResourceLimits
    mapped: frozenset[str] = frozenset()
    logs: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    highest: Highest = field(default_factory=Highest)
    problems: Sequence[str] = ()
    remarks: Sequence[str] = ()


def findings_of(seen: Seen) -> list[Finding]:
    """What would be lost first, then what might be, then what to look at."""
    found = [*_ends(seen), *_format(seen), *_times(seen), *_memory(seen), *_hints(seen), *_notes(seen)]
    order = ("lost", "risk", "note")
    return sorted(found, key=lambda finding: order.index(finding.weight))


def _ends(seen: Seen) -> Iterable[Finding]:
    for row in seen.rows:
        if row.state is CaseState.DONE:
            continue
        took = f" after {row.seconds:.1f} s" if row.seconds else ""
        status = f", exit status {row.exit_code}" if row.exit_code else ""
        said = f"{row.case}: {row.state}{status}{took}{_limit(row.state, seen.limits)}"
        kept = row.case in seen.mapped
        said += ", though with a label map, which counts all the same" if kept else _last_words(seen, row)
        yield Finding("risk" if kept else "lost", _ABOUT[row.state], said)


def _limit(state: CaseState, limits: ResourceLimits) -> str:
    """The limit that was met."""
    return {
        CaseState.TIMED_OUT: f" (a case may take {limits.case_seconds:g} s)",
        CaseState.OUT_OF_TIME: f" (all cases together may take {limits.team_seconds:g} s)",
        CaseState.OUT_OF_MEMORY: f" (it may have {limits.memory_mb} MB)",
        CaseState.OUTPUT_FULL: f" (results may have {limits.output_mb} MB in {limits.output_files} files)",
        CaseState.NO_RESULT: " (no error, and no label map where one is looked for)",
    }.get(state, "")


def _last_words(seen: Seen, row: CaseRow) -> str:
    """The last line that the case's container printed."""
    lines = [line.strip() for line in seen.logs.get(row.case, seen.logs.get("all cases", "")).splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return f"; it printed last: {last[:160]}" if last else "; it printed nothing"


def _format(seen: Seen) -> Iterable[Finding]:
    """What is missing since its case didn't end well has been said already."""
    gone = tuple(f"{_stem(row.case)}: " for row in seen.rows if row.case not in seen.mapped)
    yield from (Finding("lost", "format", line) for line in seen.problems if not (gone and line.startswith(gone)))
    yield from (Finding("note", "format", line) for line in seen.remarks)


def _stem(case: str) -> str:
    """A case as ``validate`` names it."""
    return case.rsplit("/", 1)[-1].removesuffix("_T2w")


def _times(seen: Seen) -> Iterable[Finding]:
    ended = [row for row in seen.rows if row.state is CaseState.DONE and row.seconds]
    if ended:
        longest = max(ended, key=lambda row: row.seconds or 0.0)
        share = (longest.seconds or 0.0) / seen.limits.case_seconds
        said = f"the longest case took {longest.seconds:.1f} of {seen.limits.case_seconds:g} s: {longest.case}"
        yield Finding("risk" if share > CLOSE else "note", "time", said)


def _memory(seen: Seen) -> Iterable[Finding]:
    highest = seen.highest
    if not highest.looks:
        yield Finding("note", "memory", "it ended before anybody could look how much it used")
        return
    share = highest.memory / (seen.limits.memory_mb * _MB)
    said = f"at most {highest.memory // _MB} of {seen.limits.memory_mb} MB were seen, in {highest.looks} looks"
    yield Finding("risk" if share > CLOSE else "note", "memory", said)
    said = f"at most {highest.processes} of {seen.limits.processes} processes and threads were seen"
    yield Finding("risk" if highest.processes > CLOSE * seen.limits.processes else "note", "processes", said)


def _hints(seen: Seen) -> Iterable[Finding]:
    """What it printed may tell why; a program that got over it has lost nothing."""
    for words, about, meaning in HINTS:
        labels = [label for label, text in seen.logs.items() if words.casefold() in text.casefold()]
        if labels:
            more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
            yield Finding("note", about, f'it printed "{words}" in {labels[0]}{more}; {meaning}')


def _notes(seen: Seen) -> Iterable[Finding]:
    """What the runner left behind, say; what is missing is said by others."""
    stems = tuple(f"{_stem(row.case)}: " for row in seen.rows)
    for label, lines in seen.notes.items():
        yield from (Finding("note", "results", f"{label}: {line}") for line in lines if not line.startswith(stems))
