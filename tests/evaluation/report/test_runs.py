"""What the report says about containers."""

from __future__ import annotations

import dataclasses

import pytest

from evaluation.harness.record import ENCRYPTED, NOT_ENCRYPTED, Place, TeamRun
from evaluation.ranking.results import as_json, compute_results
from evaluation.report.page_content import render
from evaluation.report.run_table import run_table, wall_table
from evaluation.scoring.messages import ScoringMessages
from tests.support.made_up_scores import made_up_table

PLAIN = TeamRun("i:1", "sha256:1", "folder", "GPU 0", (), "", {"done": 9, "timed-out": 3}, 61.0)
CRASHED = {"crashed": 12}
EXCEPTED = dataclasses.replace(
    PLAIN, exceptions=("root", "shared memory 9 MB"), why="<b>old</b>", cases={"crashed": 12}
)


def test_a_row_a_team_and_a_column_a_state_that_occurs() -> None:
    table = run_table({"a": PLAIN, "b": EXCEPTED})
    assert table is not None
    assert table.headings == ("Called as", "Device", "Time", "done", "crashed", "timed-out", "Exceptions")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "folder", "GPU 0", "1:01", "9", "0", "3", "none"],
        ["b", "folder", "GPU 0", "1:01", "0", "12", "0", "root, shared memory 9 MB (<b>old</b>)"],
    ]


@pytest.mark.usefixtures("no_plots")
def test_no_runner_no_table() -> None:
    assert run_table({}) is None
    page = render(compute_results(made_up_table(2, 4), ScoringMessages()))
    assert 'id="runs"' not in page


@pytest.mark.usefixtures("no_plots")
def test_exceptions_stand_on_the_page_as_text() -> None:
    results = compute_results(made_up_table(("a", "b"), 4), ScoringMessages(runs={"a": PLAIN, "b": EXCEPTED}))
    page = render(results)
    assert 'id="runs"' in page
    assert "root, shared memory 9 MB (&lt;b&gt;old&lt;/b&gt;)" in page
    assert "ran longer than a case may" in page
    assert as_json(results)["runs"]["b"]["cases"] == {"crashed": 12}


def test_a_row_a_wall_and_a_column_a_place() -> None:
    table = wall_table([Place("Docker 28"), Place("Podman 4, without root", ("memory", "swap"), ENCRYPTED)])
    assert table is not None
    assert table.headings == ("Docker 28; this machine", "Podman 4, without root; a cluster, encrypted")
    kept = {row[0].text.partition(":")[0]: [cell.text for cell in row[1:]] for row in table.rows}
    assert len(kept) == 11
    assert {wall for wall, cells in kept.items() if cells != ["kept", "kept"]} == {"memory", "swap"}
    assert kept["swap"] == ["kept", "NOT kept"]
    assert wall_table([]) is None


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(("place", "said"), [(Place("x", (), NOT_ENCRYPTED), True), (Place("x", (), ENCRYPTED), False)])
def test_a_cluster_that_was_open_to_anybody_is_told_of(place: Place, said: bool) -> None:
    page = render(
        compute_results(made_up_table(("a", "b"), 4), ScoringMessages(runs={"a": PLAIN, "b": PLAIN}, places=[place]))
    )
    assert ("without encryption" in page) is said


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("lacks", [(), ("memory",)])
def test_the_page_promises_no_wall_that_was_not_there(lacks: tuple[str, ...]) -> None:
    places = [Place("Docker 28"), Place("Podman 4", lacks)]
    page = render(
        compute_results(made_up_table(("a", "b"), 4), ScoringMessages(runs={"a": PLAIN, "b": PLAIN}, places=places))
    )
    assert ("limits on time and space, memory and processes" in page) is (not lacks)
