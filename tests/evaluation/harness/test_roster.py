"""What a roster may say, and the one line that a wrong one comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.harness import roster
from evaluation.harness.roster import Convention, Exceptions, ResourceLimits, read_roster
from feta.errors import FetaError

TEAM = "teams:\n- {name: a, image: b"


def read(tmp_path: Path, text: str) -> roster.Roster:
    path = tmp_path / "roster.yaml"
    path.write_text(text)
    return read_roster(path)


def test_the_example_is_valid_and_states_the_defaults() -> None:
    example = read_roster(Path(roster.__file__).with_name("roster.yaml"))
    assert example.limits == ResourceLimits()
    assert example.teams[0].exceptions == Exceptions()
    assert example.teams[1].convention is Convention.ALL_2024


def test_every_convention_is_explained_in_the_example() -> None:
    text = Path(roster.__file__).with_name("roster.yaml").read_text()
    assert all(f" {convention} " in text for convention in Convention)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "teams is missing"),
        ("teams: []", "no team"),
        (TEAM + "}\n- {name: A, image: c}", "two teams"),
        (TEAM + ", privileged: true}", "unknown setting"),
        (TEAM + ", exceptions: {privileged: true}}", "unknown setting"),
        (TEAM + ", exceptions: {network: host}}", "unknown setting"),
        (TEAM + ", exceptions: {root: maybe}}", "type bool"),
        (TEAM + ", exceptions: {scratch: [/input/x]}}", "no folder that can be offered"),
        (TEAM + ", exceptions: {scratch: [/a/../proc]}}", "no folder that can be offered"),
        (TEAM + ", exceptions: {scratch: ['/']}}", "no folder that can be offered"),
        (TEAM + ", exceptions: {shm_mb: 0}}", "more than 0"),
        (TEAM + ", convention: 2024}", "must be one of"),
        ("teams:\n- {name: a}", "image is missing"),
        ("teams:\n- {name: ../a, image: b}", "no name for a team"),
        ("teams:\n- {name: sub-001, image: b}", "no name for a team"),
        ("teams:\n- {name: runs.json, image: b}", "no name for a team"),
        ("teams:\n- {name: 'a ', image: b}", "no name for a team"),
        ("teams:\n- {name: a, image: --privileged}", "no image"),
        (TEAM + "}\nlimits: {memory_mb: 0}", "more than 0"),
        (TEAM + "}\nlimits: {case_seconds: .nan}", "more than 0"),
        (TEAM + "}\nlimits: {cpus: lots}", "type float"),
        (TEAM + "}\nlimits: {cpus: 0.001}", "at least 0.01"),
        (TEAM + "}\nlimits: {cpus: .inf}", "at least 0.01"),
        (TEAM + "}\nlimits: {memory_mb: 100000000000000000000000}", "at most"),
        (TEAM + "}\nlimits: {output_files: 10000000000}", "at most"),
        (TEAM + ", exceptions: {shm_mb: 10000000000}}", "at most"),
        ("teams:\n- {name: Runs.JSON, image: b}", "no name for a team"),
        (TEAM + "}\nparallel: 0", "at least 1"),
        (TEAM + "}\ngpus: ['0', '0']", "twice"),
        ("teams: [", "not YAML"),
    ],
)
def test_a_wrong_roster_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FetaError, match=said) as caught:
        read(tmp_path, text)
    assert "roster.yaml" in str(caught.value)


def test_a_roster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="start from"):
        read_roster(tmp_path / "none.yaml")


def test_exceptions_in_words() -> None:
    assert Exceptions().named() == ()
    everything = Exceptions(True, True, 128, ("/a", "/b"))
    assert everything.named() == (
        "root",
        "writable copy of the input",
        "shared memory 128 MB",
        "may write to /a, /b",
    )
