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


def test_the_example_is_valid_and_states_the_defaults(tmp_path: Path) -> None:
    """As it stands it has our own image alone, which `make images` builds; a second team is there to be uncommented."""
    path = Path(roster.__file__).with_name("roster.yaml")
    example = read_roster(path)
    assert example.limits == ResourceLimits()
    assert [(team.image, team.exceptions) for team in example.teams] == [("feta-inference", Exceptions())]
    teams = path.read_text().partition("\nteams:")[2].partition("\n\n")[0]
    second = read(tmp_path, "teams:" + teams.replace("\n#  ", "\n  ")).teams[1]
    assert second.convention is Convention.ALL_2024
    assert second.exceptions.root


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


PHASES = """
teams: [{name: a, image: i}]
phases:
  - {name: validation, opens: 2026-06-01, closes: 2026-07-31, a_day: 3, counts: best}
  - {name: test, opens: 2026-08-01T12:00:00Z, closes: 2026-08-31T23:59:00+02:00, at_most: 1, hidden: true}
"""


def test_phases(tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").write_text(PHASES)
    first, second = read_roster(tmp_path / "roster.yaml").phases
    assert (first.a_day, first.counts, first.hidden) == (3, "best", False)
    assert [f"{t:%Y-%m-%d %H:%M:%S}" for t in (first.begin, first.end)] == [
        "2026-06-01 00:00:00",
        "2026-07-31 23:59:59",
    ]
    assert (f"{second.end:%Y-%m-%d %H:%M %Z}", second.at_most, second.hidden) == ("2026-08-31 21:59 UTC", 1, True)


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("{name: Test}", "is no name for a phase"),
        ("{name: ../x}", "is no name for a phase"),
        ("{name: index}", "is no name for a phase"),
        ("{name: x, a_day: 0}", "must be at least 1"),
        ("{name: x, opens: 2026-08-02, closes: 2026-08-01}", "closes before it opens"),
        ("{name: x, opens: tomorrow}", "opens is 'tomorrow'"),
        ("{name: x, counts: first}", "it must be one of best, last"),
        ("{name: validation}", "two phases have one name"),
    ],
)
def test_phases_that_cannot_be(tmp_path: Path, phase: str, said: str) -> None:
    (tmp_path / "roster.yaml").write_text(PHASES + f"  - {phase}\n")
    with pytest.raises(FetaError, match=said):
        read_roster(tmp_path / "roster.yaml")


def test_the_phases_of_the_example_can_be_taken_as_they_stand(tmp_path: Path) -> None:
    text = (Path(roster.__file__).parent / "roster.yaml").read_text()
    plain, phases = text.split("# phases:\n")
    lines = [line.removeprefix("# ") for line in phases.splitlines()]
    (tmp_path / "roster.yaml").write_text("\n".join([plain, "phases:", *lines]))
    assert [phase.name for phase in read_roster(tmp_path / "roster.yaml").phases] == ["validation", "test"]
