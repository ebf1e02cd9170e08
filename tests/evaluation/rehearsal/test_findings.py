"""What a rehearsal says, a line each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.roster import ResourceLimits
from evaluation.rehearsal.findings import Seen, findings_of
from evaluation.rehearsal.sampling import Highest
from evaluation.rehearsal.walls import outside

CASE = "sub-1/anat/sub-1_T2w"
LIMITS = ResourceLimits(case_seconds=100, memory_mb=1000, processes=100)


def row(state: CaseState, seconds: float = 5.0, code: int = 0) -> CaseRow:
    return CaseRow("t", CASE, state, seconds=seconds, exit_code=code)


def lines(seen: Seen) -> list[str]:
    return [finding.line() for finding in findings_of(seen)]


def weights(seen: Seen, about: str) -> list[str]:
    return [finding.weight for finding in findings_of(seen) if finding.about == about]


ENDS = [state for state in CaseState if state.final and state is not CaseState.DONE]


@pytest.mark.parametrize("state", ENDS)
def test_every_way_to_end_but_well_is_one_line_that_says_lost(state: CaseState) -> None:
    found = [line for line in lines(Seen([row(state, code=3)], LIMITS)) if line.startswith("lost")]
    (line,) = found
    assert f"{CASE}: {state}, exit status 3 after 5.0 s" in line


def test_a_label_map_counts_however_its_container_ended() -> None:
    found = lines(Seen([row(CaseState.CRASHED, code=1)], LIMITS, frozenset({CASE})))
    assert not [line for line in found if line.startswith("lost")]
    assert found[0].startswith("risk: exit status")


@pytest.mark.parametrize(("seconds", "weight"), [(69.0, "note"), (71.0, "risk")])
def test_what_came_close_to_the_time_is_a_risk(seconds: float, weight: str) -> None:
    assert weights(Seen([row(CaseState.DONE, seconds)], LIMITS, frozenset({CASE})), "time") == [weight]


@pytest.mark.parametrize(("megabytes", "weight"), [(600, "note"), (800, "risk")])
def test_what_came_close_to_the_memory_is_a_risk(megabytes: int, weight: str) -> None:
    highest = Highest()
    for part in (0.2, 1.0, 0.5):
        highest.see((3, int(megabytes * part) << 20))
    assert (highest.memory, highest.looks) == (megabytes << 20, 3)
    assert weights(Seen([row(CaseState.DONE)], LIMITS, highest=highest), "memory") == [weight]


def test_memory_that_nobody_saw_is_not_called_small() -> None:
    assert "note: memory: it ended before anybody could look how much it used" in lines(Seen([], LIMITS))


def test_what_validate_rejects_is_lost_once() -> None:
    """What is missing of a case that didn't end well has been said."""
    problems = ("sub-1: no label map", "sub-2: no file of lengths")
    seen = Seen([row(CaseState.CRASHED), replace(row(CaseState.DONE), case="sub-2_T2w")], LIMITS,
                frozenset({"sub-2_T2w"}), problems=problems)  # fmt: skip
    assert [line for line in lines(seen) if "format" in line] == ["lost: format: sub-2: no file of lengths"]


def test_what_was_printed_is_a_hint_and_never_a_loss() -> None:
    logs = {
        CASE: "OSError: [Errno 30] read-only file system: '/x'",
        "b": "urlopen: Temporary failure in name resolution",
    }
    found = findings_of(Seen([row(CaseState.DONE)], LIMITS, frozenset({CASE}), logs))
    assert {finding.about for finding in found if "it printed" in finding.text} == {"writes", "network"}
    assert {finding.weight for finding in found} == {"note"}


def test_the_last_line_that_was_printed_stands_beside_a_crash() -> None:
    seen = Seen([row(CaseState.CRASHED)], LIMITS, logs={CASE: "Traceback\nValueError: boom\n\n"})
    assert lines(seen)[0].endswith("; it printed last: ValueError: boom")


def test_what_was_written_is_told_without_folders_on_the_way_and_mounts() -> None:
    paths = ["/app", "/app/cache", "/app/cache/model", "/app/new", "/output", "/tmp", "/etc/hosts", "/input/x", "/data"]
    found = outside([{"Path": path, "Kind": 1} for path in paths], ["/input", "/output", "/data"])
    assert found == ["/app/cache/model", "/app/new"]
