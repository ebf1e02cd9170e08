"""Progress for people: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from feta.errors import printable


class Reporter(Protocol):
    """Receives the events of a run."""

    clock: Clock

    def start(self, title: str) -> None:
        """A case begins."""

    def done(self, title: str, outcome: str, verdict: str = "", *, worked: bool = True) -> None:
        """A case has ended, one way or another.

        Args:
            outcome: in a few words.
            verdict: with its reasons; empty where there is none.
            worked: it took time, by which the time left is told.
        """

    def line(self, text: str) -> None:
        """A warning or an error, one line."""


class Clock:
    """Estimates the time left from the cases that took time; skipped ones took none.

    Attributes:
        at_once: how many cases are done at the same time.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.begun = self.ended = 0
        self.worked: list[float] = []
        self.at_once = 1
        self._running: dict[str, float] = {}

    def start(self, title: str) -> None:
        """A case begins."""
        self.begun += 1
        self._running[title] = time.monotonic()

    def end(self, title: str, *, worked: bool) -> float:
        """A case ends; gives its seconds."""
        now = time.monotonic()
        seconds = now - self._running.pop(title, now)
        self.ended += 1
        if worked:
            self.worked.append(seconds)
        return seconds

    def running(self) -> str:
        """The cases that are being done, such as 'sub-01 and 3 more'."""
        first, *more = self._running or [""]
        return f"{first} and {len(more)} more" if more else first

    def left(self) -> str:
        """Such as 'about 12 min left'; empty at the end, and before the first case has taken time."""
        cases = self.total - self.ended
        if not self.worked or cases <= 0:
            return ""
        each, now = sum(self.worked) / len(self.worked), time.monotonic()
        begun = sum(min(each, now - began) for began in self._running.values())
        return f"about {duration((cases * each - begun) / min(cases, self.at_once))} left"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class PlainReporter:
    """One line for each event, to standard error."""

    def __init__(self, total: int) -> None:
        self.clock = Clock(total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def start(self, title: str) -> None:
        """Say which case begins."""
        self.clock.start(title)
        self.line(f"[{self.clock.begun}/{self.clock.total}] {title}: started")

    def done(self, title: str, outcome: str, verdict: str = "", *, worked: bool = True) -> None:
        """Say how it ended, how long the rest will take, and what is thought of it."""
        seconds = self.clock.end(title, worked=worked)
        parts = [f"{outcome} in {duration(seconds)}" if worked else outcome, self.clock.left()]
        said = "; ".join(p for p in (", ".join(p for p in parts if p), verdict) if p)
        self.line(f"[{self.clock.ended}/{self.clock.total}] {title}: {said}")

    def line(self, text: str) -> None:
        """Print a line at once, so that a log shows it during the run."""
        print(printable(text), file=sys.stderr, flush=True)


class TerminalReporter:
    """A bar with the current cases and the time left; messages scroll above it."""

    def __init__(self, total: int, console: Console) -> None:
        self.clock = Clock(total)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._progress.add_task("", total=total, left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, title: str) -> None:
        """Show which case begins."""
        self.clock.start(title)
        self._show()

    def done(self, title: str, outcome: str, verdict: str = "", *, worked: bool = True) -> None:
        """Move the bar on, and say above it what is thought of the case."""
        self.clock.end(title, worked=worked)
        if verdict:
            self.line(f"{title}: {verdict}")
        self._progress.update(self._task, advance=1, left=self.clock.left())
        self._show()

    def _show(self) -> None:
        if running := self.clock.running():
            self._progress.update(self._task, description=escape(printable(running)))

    def line(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def reporter(total: int) -> PlainReporter | TerminalReporter:
    """The reporter that suits standard error."""
    console = Console(stderr=True)
    return TerminalReporter(total, console) if console.is_terminal else PlainReporter(total)
