"""What a log and a terminal show."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from inference.runs.progress import Clock, PlainReporter, TerminalReporter, duration


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (7200, "2.0 h")]
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_time_left_comes_from_cases_that_took_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("inference.runs.progress.time.monotonic", lambda: now[0])
    clock = Clock(5)
    clock.start("a")
    clock.end("a", worked=False)
    assert clock.left() == ""
    clock.start("b")
    now[0] = 600.0
    assert clock.end("b", worked=True) == 600.0
    assert clock.left() == "about 30 min left"
    for title in "cde":
        clock.start(title)
        clock.end(title, worked=True)
    assert clock.left() == ""


def test_time_left_counts_cases_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of 10 min each, two at once: when the first has ended, 40 min of work are left, of which 10 are done."""
    now = [0.0]
    monkeypatch.setattr("inference.runs.progress.time.monotonic", lambda: now[0])
    clock = Clock(5)
    clock.at_once = 2
    clock.start("a")
    clock.start("b")
    now[0] = 600.0
    clock.end("a", worked=True)
    assert clock.left() == "about 15 min left"
    clock.end("b", worked=True)
    assert clock.left() == "about 15 min left"
    for title in "cd":
        clock.start(title)
        clock.end(title, worked=False)
    assert clock.left() == "about 10 min left"  # only one is left


@pytest.mark.parametrize("terminal", [False, True])
def test_cases_at_once_are_told_apart(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    bar = TerminalReporter(4, Console(file=text, force_terminal=True, width=100))
    with bar if terminal else PlainReporter(4) as report:
        for title in ("sub-001", "sub-002", "sub-003"):
            report.start(title)
        report.done("sub-002", "done")
    if terminal:
        assert "sub-001 and 1 more" in text.getvalue()
        return
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["[1/4] sub-001: started", "[2/4] sub-002: started", "[3/4] sub-003: started"]
    assert lines[3].startswith("[1/4] sub-002: done in 0 s, about")


def test_a_log_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainReporter(2) as report:
        report.start("sub-001")
        report.line("warning: [bold]no markup[/bold]")
        report.done("sub-001", "done")
        report.start("sub-002")
        report.done("sub-002", "already finished", "reject: half a brain; too dark", worked=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[1/2] sub-001: started"
    assert lines[1] == "warning: [bold]no markup[/bold]"
    assert lines[2].startswith("[1/2] sub-001: done in 0 s, about")
    assert lines[-1] == "[2/2] sub-002: already finished; reject: half a brain; too dark"


def test_the_time_stands_before_what_is_thought_of_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    """Behind it '… check the label map in 73 s' would be read."""
    with PlainReporter(1) as report:
        report.start("sub-001")
        report.done("sub-001", "done", "check: the age")
    assert capsys.readouterr().err.splitlines()[-1] == "[1/1] sub-001: done in 0 s; check: the age"


def test_a_terminal_gets_a_bar_and_names_are_no_markup() -> None:
    text = io.StringIO()
    with TerminalReporter(2, Console(file=text, force_terminal=True, width=100)) as report:
        report.start("sub-[red]001")
        report.line("warning: [bold]")
        report.done("sub-[red]001", "done", "check: [x]")
    assert "[red]001" in text.getvalue()
    assert "warning: [bold]" in text.getvalue()
    assert "sub-[red]001: check: [x]" in text.getvalue()
    assert "1/2" in text.getvalue()


@pytest.mark.parametrize("name", ["sub-\x1b[2J001", "sub-\u202e001", "sub-\r001"])
def test_a_name_moves_no_cursor(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with PlainReporter(1) as report:
        report.start(name)
        report.done(name, "done")
    log = capsys.readouterr().err
    text = io.StringIO()
    with TerminalReporter(1, Console(file=text, width=100)) as report:
        report.start(name)
        report.line(f"warning: {name}")
    for shown in (log, text.getvalue()):
        assert not set(name) & set("\x1b\u202e\r") & set(shown)
        assert "\N{REPLACEMENT CHARACTER}" in shown
