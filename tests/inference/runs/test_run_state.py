"""What is said of a case that failed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from inference.processes.death import NO_THREAD, DiedError
from inference.runs.progress import PlainReporter
from inference.runs.run_log import RunLog
from inference.runs.run_state import Run, describe, shortage
from inference.runs.settings import Settings


@pytest.mark.parametrize(
    ("error", "of", "said"),
    [
        (DiedError(-signal.SIGKILL), "memory", "free some"),
        (DiedError(NO_THREAD), "threads", "could start no thread; allow more processes"),
        (DiedError(1), "threads", "ended by itself with status 1"),  # as libgomp does that can start no thread
        (DiedError(-signal.SIGSEGV), "", "ended by SIGSEGV"),
        (RuntimeError("can't start new thread"), "threads", "no thread can be started; allow more processes"),
        (MemoryError(), "memory", "not enough memory"),
        (RuntimeError("something else"), "", "unexpected RuntimeError: something else"),
    ],
)
def test_what_a_case_was_short_of_is_told(error: Exception, of: str, said: str) -> None:
    assert (of in shortage(error)) if of else not shortage(error)
    assert said in describe(error)


def test_a_bug_shows_the_lines_of_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(Settings(Path()), RunLog(None, {}), PlainReporter(1), {})
    try:
        raise KeyError("odd")
    except KeyError as error:
        run.fail("case", error)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Traceback (most recent call last):"
    assert said[-2:] == ["KeyError: 'odd'", "error: unexpected KeyError: 'odd'"]
