"""State, staging, record and tables of a run."""

from __future__ import annotations

import dataclasses
import io
import json
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import typer

from evaluation.commands import containers
from evaluation.harness.case_state import CaseRow, CaseState, tallied
from evaluation.harness.context import RunFolders
from evaluation.harness.conventions import case_id, make_jobs
from evaluation.harness.engine import Ended
from evaluation.harness.outcome import case_state
from evaluation.harness.record import CaseRun, RunRecord, TeamRun, read_record, read_run_record, write_record
from evaluation.harness.roster import ResourceLimits, Roster
from evaluation.harness.run import check_some_started, chosen_teams
from evaluation.harness.staging import cases_to_run, identity, pack, stage
from evaluation.harness.state import RunState
from evaluation.harness.status import MARKS, clock, print_status, seconds_left
from evaluation.harness.workers import time_for
from feta.cases import find_cases
from feta.errors import FetaError, HostError
from tests.support.made_up_roster import cases, roster, team

IDS = ["c1", "c2"]


def opened(tmp_path: Path, of: Roster, about: str = "input") -> RunState:
    state, images = RunState(tmp_path / "state.sqlite"), {t.name: f"id of {t.image}" for t in of.teams}
    state.create("run 1", of, images, IDS, about)
    state.check(of, images, IDS, about)
    return state


def test_everything_is_pending_at_first(tmp_path: Path) -> None:
    state = opened(tmp_path, roster(team("b"), team("a")))
    assert [(row.team, row.case, row.state) for row in state.rows()] == [
        (name, case, CaseState.PENDING) for name in ("b", "a") for case in IDS
    ]


def test_what_was_running_is_done_again_and_what_ended_is_not(tmp_path: Path) -> None:
    of = roster()
    state = opened(tmp_path, of)
    state.begin([("a team", case) for case in IDS], "CPU")
    state.finish([CaseRow("a team", "c1", CaseState.CRASHED, seconds=2.0, exit_code=3)])
    again = opened(tmp_path, of)
    again.forget_running()
    ended, pending = again.rows()
    assert (ended.state, ended.seconds, ended.exit_code) == (CaseState.CRASHED, 2.0, 3)
    assert (pending.state, pending.begun) == (CaseState.PENDING, None)
    assert again.fact("run") == "run 1"


def test_where_no_container_at_all_starts_nothing_is_final(tmp_path: Path) -> None:
    """A relative output folder did that: the engine's refusal is no team's fault."""
    state = opened(tmp_path, roster(team("a"), team("b")))
    state.finish([CaseRow(name, case, CaseState.NOT_STARTED, seconds=1.0) for name in ("a", "b") for case in IDS])
    with pytest.raises(HostError, match="no container of any team"):
        check_some_started(state, RunFolders(tmp_path))
    assert {(row.state, row.seconds) for row in state.rows()} == {(CaseState.PENDING, None)}


def test_one_team_whose_container_never_starts_is_its_own(tmp_path: Path) -> None:
    state = opened(tmp_path, roster(team("a"), team("b")))
    state.finish([CaseRow("a", case, CaseState.NOT_STARTED) for case in IDS])
    state.finish([CaseRow("b", case, CaseState.CRASHED) for case in IDS])
    check_some_started(state, RunFolders(tmp_path))
    assert [row.state for row in state.rows()][:2] == [CaseState.NOT_STARTED] * 2


def test_relative_folders_are_resolved_before_a_container_is_told_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Path] = []
    monkeypatch.setattr("evaluation.harness.run.run", lambda rules, *folders, **_: told.extend(folders[:2]) or [])
    monkeypatch.setattr("evaluation.harness.roster.read_roster", lambda _: roster())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hidden").mkdir()
    with pytest.raises(typer.Exit):
        containers.run(Path("roster.yaml"), Path("hidden"), Path("out"))
    assert told == [tmp_path / "hidden", tmp_path / "out"]


def test_a_team_may_come_in(tmp_path: Path) -> None:
    opened(tmp_path, roster(team("a")))
    assert {row.team for row in opened(tmp_path, roster(team("a"), team("b"))).rows()} == {"a", "b"}


@pytest.mark.parametrize(
    ("now", "about", "said"),
    [
        (roster(team("b")), "input", "has a team 'a'"),
        (roster(team("a", root=True)), "input", "rules"),
        (roster(team("a"), limits=ResourceLimits(cpus=1)), "input", "limits"),
        (roster(team("a")), "other", "input"),
    ],
)
def test_a_changed_run_is_refused(tmp_path: Path, now: Roster, about: str, said: str) -> None:
    opened(tmp_path, roster(team("a")))
    with pytest.raises(FetaError, match=said):
        opened(tmp_path, now, about)


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("no database" * 100)
    with pytest.raises(FetaError, match="can't be used"):
        RunState(tmp_path / "state.sqlite").rows()


@pytest.mark.parametrize(
    ("exit_code", "oom", "limited", "full", "mapped", "state"),
    [
        (0, False, False, False, True, "done"),
        (0, True, False, False, True, "done"),
        (0, False, False, False, False, "no-result"),
        (1, False, False, False, True, "crashed"),
        (137, True, False, False, False, "out-of-memory"),
        (0, True, False, False, False, "out-of-memory"),
        (137, False, True, False, True, "timed-out"),
        (0, False, True, False, True, "timed-out"),
        (137, False, False, False, True, "crashed"),
        (143, False, False, False, True, "crashed"),
        (137, True, False, False, True, "out-of-memory"),
        (137, True, True, True, False, "timed-out"),
        (0, False, False, True, False, "output-full"),
        (0, False, False, True, True, "output-full"),
    ],
)
def test_states_of_a_case_alone(exit_code: int, oom: bool, limited: bool, full: bool, mapped: bool, state: str) -> None:
    assert case_state(Ended(exit_code, oom, 1.0), limited, full, mapped, alone=True) == state


@pytest.mark.parametrize("exit_code", [0, 1, 3, 255])
def test_in_a_call_for_all_cases_that_ended_by_itself_what_has_a_label_map_is_done(exit_code: int) -> None:
    assert case_state(Ended(exit_code, True, 1.0), False, True, True, alone=False) == "done"


@pytest.mark.parametrize(
    ("exit_code", "oom", "limited", "state"),
    [
        (137, True, True, "timed-out"),
        (0, False, True, "timed-out"),
        (137, True, False, "out-of-memory"),
        (137, False, False, "crashed"),
        (143, False, False, "crashed"),
        (139, False, False, "crashed"),
    ],
)
@pytest.mark.parametrize("mapped", [True, False])
def test_in_a_call_for_all_cases_that_was_ended_none_is_done(
    exit_code: int, oom: bool, limited: bool, state: str, mapped: bool
) -> None:
    assert case_state(Ended(exit_code, oom, 1.0), limited, False, mapped, alone=False) == state


def test_what_never_started_is_not_done() -> None:
    assert case_state(None, False, False, False, alone=False) == "not-started"


def test_one_team_again_touches_no_other(tmp_path: Path) -> None:
    state = opened(tmp_path, roster(team("a"), team("b")))
    state.finish([CaseRow(name, case, CaseState.CRASHED, 1.0, 2.0, 3) for name in ("a", "b") for case in IDS])
    state.forget_teams(["b"])
    rows = {(row.team, row.state, row.seconds, row.exit_code) for row in state.rows()}
    assert rows == {("a", CaseState.CRASHED, 2.0, 3), ("b", CaseState.PENDING, None, None)}


def test_teams_that_a_call_is_for() -> None:
    of = roster(team("a"), team("b"), team("c"))
    assert [t.name for t in chosen_teams(of, (), again=False)] == ["a", "b", "c"]
    assert [t.name for t in chosen_teams(of, ("c", "a"), again=True)] == ["a", "c"]


@pytest.mark.parametrize(
    ("only", "again", "said"),
    [(("d",), False, "no team 'd'; it has a, b"), (("a", "A"), True, "no team 'A'"), ((), True, "--team NAME")],
)
def test_teams_that_no_call_can_be_for(only: tuple[str, ...], again: bool, said: str) -> None:
    with pytest.raises(FetaError, match=said):
        chosen_teams(roster(team("a"), team("b")), only, again)


def test_a_team_has_no_more_time_than_is_left(tmp_path: Path) -> None:
    limits, found = ResourceLimits(case_seconds=10, team_seconds=25), cases(tmp_path, 3)
    (whole,) = make_jobs(team(convention="folder-all"), found)
    single = make_jobs(team(), found)[0]
    used = [CaseRow("a team", "x", CaseState.DONE, seconds=18.0)]
    assert [time_for(job, [], limits) for job in (single, whole)] == [10, 25]
    assert [time_for(job, used, limits) for job in (single, whole)] == [7, 7]


def test_nothing_of_the_truth_is_staged(tmp_path: Path) -> None:
    found = cases(tmp_path / "data", 2)
    staged = stage(found, tmp_path / "staged")
    names = {str(p.relative_to(staged)) for p in staged.rglob("*") if p.is_file()}
    volume = ["sub-001/anat/sub-001_rec-mial_T2w.nii.gz", "sub-002/anat/sub-002_rec-mial_T2w.nii.gz"]
    assert names == {
        "complete", "all/input/participants.tsv", *(f"all/input/{v}" for v in volume),
        *(f"{i}/input/{v}" for i, v in enumerate(volume)), *(f"{i}/input/participants.tsv" for i in (0, 1)),
        *(f"{i}/input_meta/meta.json" for i in (0, 1)),
        *(f"{i}/input_img/anat/{Path(v).name}" for i, v in enumerate(volume)),
    }  # fmt: skip
    assert "Site" not in (staged / "all/input/participants.tsv").read_text()


def test_staged_cases_are_the_cases(tmp_path: Path) -> None:
    found = cases(tmp_path / "data", 2)
    staged = stage(found, tmp_path / "staged")
    seen = find_cases(staged / "all" / "input").cases
    assert [(c.name, c.age, c.pathology, c.folder, c.warnings) for c in seen] == [
        (c.name, c.age, c.pathology, c.folder, ()) for c in found
    ]
    assert [c.image.read_bytes() for c in seen] == [c.image.read_bytes() for c in found]


def test_a_copy_belongs_to_who_may_change_it(tmp_path: Path) -> None:
    staged, archive = stage(cases(tmp_path / "data", 1), tmp_path / "staged"), io.BytesIO()
    pack(staged / "0" / "input", 1234, archive)
    with tarfile.open(fileobj=archive) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, bool(m.mode & 0o200)) for m in members} == {(1234, 1234, True)}
    assert "participants.tsv" in {m.name for m in members}


def test_a_changed_input_is_noticed(tmp_path: Path) -> None:
    before = cases(tmp_path / "data", 1)
    told = identity(before)
    assert identity(find_cases(tmp_path / "data").cases) == told
    before[0].image.write_bytes(b"other")
    assert identity(find_cases(tmp_path / "data").cases) != told


@pytest.mark.parametrize("convention", ["2021", "2024-all"])
def test_a_flat_folder_suits_not_every_convention(tmp_path: Path, convention: str) -> None:
    (tmp_path / "a_T2w.nii.gz").write_bytes(b"")
    with pytest.raises(FetaError, match=convention):
        cases_to_run(tmp_path, roster(team(convention=convention)))
    assert len(cases_to_run(tmp_path, roster(team()))) == 1


def test_the_record_comes_back(tmp_path: Path) -> None:
    of = roster(team("a", root=True), team("b", "2021"))
    state = opened(tmp_path, of)
    state.begin([("a", case) for case in IDS], "GPU 0")
    state.finish([CaseRow("a", case, CaseState.DONE, seconds=1.5, memory=700) for case in IDS])
    write_record(tmp_path, of, state)
    read = read_record(tmp_path)
    assert read["a"] == TeamRun("image:1", "id of image:1", "folder", "GPU 0", ("root",), "", {"done": 2}, 3.0)
    assert (read["b"].convention, read["b"].cases) == ("2021", {"pending": 2})
    whole = read_run_record(tmp_path)
    assert set(whole.cases["a"]) == {Path(case).name.removesuffix("_T2w") for case in IDS}
    assert set(whole.cases["a"].values()) == {CaseRun(CaseState.DONE, 1.5, 700)}
    assert set(whole.cases["b"].values()) == {CaseRun(CaseState.PENDING, None)}
    assert whole.limits == of.limits


def test_a_state_of_before_memory_was_looked_at_goes_on(tmp_path: Path) -> None:
    of = roster()
    state = opened(tmp_path, of)
    with closing(sqlite3.connect(state.path)) as database:
        database.execute("ALTER TABLE cases DROP COLUMN memory")
    assert [row.memory for row in state.rows()] == [None, None]
    opened(tmp_path, of).finish([CaseRow("a team", "c1", CaseState.DONE, seconds=2.0, memory=9)])
    assert [(row.seconds, row.memory) for row in state.rows()] == [(2.0, 9), (None, None)]


def test_a_record_of_before_cases_were_in_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text('{"format": "feta-runs/1", "teams": {}}')
    assert read_run_record(tmp_path) == RunRecord()


def test_no_record_is_no_run(tmp_path: Path) -> None:
    assert read_record(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "feta-runs/1", "teams": {"a": {}}}', "[" * 100_000])
def test_a_damaged_record_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(FetaError, match="no record of a run"):
        read_record(tmp_path)


def test_time_left() -> None:
    limits = ResourceLimits(case_seconds=100, team_seconds=1000)
    pending = [CaseRow("a", str(i), CaseState.PENDING) for i in range(3)]
    assert seconds_left(tallied(pending), limits, now=0) == 300
    running = dataclasses.replace(pending[0], state=CaseState.RUNNING, begun=50.0)
    done = CaseRow("a", "d", CaseState.DONE, seconds=20.0)
    assert seconds_left(tallied([done, running, *pending[1:]]), limits, now=55.0) == 3 * 20 - 5
    assert seconds_left(tallied([dataclasses.replace(done, seconds=990.0), *pending]), limits, now=0) == 10


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.6, 3723, float("inf"))] == ["0:00", "1:00", "1:02:03", "–"]


def test_every_state_has_its_own_mark() -> None:
    assert len({mark for mark, _ in MARKS.values()}) == len(CaseState)


def test_status_in_plain_lines_and_json(tmp_path: Path) -> None:
    state, text, data = opened(tmp_path, roster()), io.StringIO(), io.StringIO()
    state.finish([CaseRow("a team", "c1", CaseState.DONE, seconds=1.25)])
    print_status(state.rows(), ResourceLimits(), running=True, as_json=False, file=text)
    assert text.getvalue().splitlines() == [
        "a team\tc1\tdone\t1.2",
        "a team\tc2\tpending\t",
        "# 1 pending, 1 done; the harness is at work",
    ]
    print_status(state.rows(), ResourceLimits(), running=False, as_json=True, file=data)
    shown = json.loads(data.getvalue())
    assert (shown["running"], shown["cases"][0]["state"]) == (False, "done")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("cases", [10, 1000])
def test_a_large_run_is_counted_so_that_each_team_has_one_line(cases: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    rows = [CaseRow(f"team {t:02d}", str(n), CaseState.DONE, seconds=1.0) for t in range(64) for n in range(cases)]
    rows[-2:] = [dataclasses.replace(row, state=CaseState.CRASHED) for row in rows[-2:]]
    print_status(rows, ResourceLimits(), running=True, as_json=False, file=(text := Terminal()))
    lines = [line for line in text.getvalue().splitlines() if line.startswith(("  team ", " team ")) and "/" in line]
    assert len(lines) == 64
    assert lines[-1].split()[2:] == {10: ["✓✓✓✓✓✓✓✓XX", "10/10", "8"], 1000: ["998✓", "2X", "1000/1000", "998"]}[cases]


def test_the_database_counts_as_we_do(tmp_path: Path) -> None:
    state = opened(tmp_path, roster(team("b"), team("a")))
    state.begin([("a", "c1"), ("a", "c2")], "CPU")
    state.finish([CaseRow("b", "c2", CaseState.DONE, seconds=2.5)])
    by_rows, by_database = tallied(state.rows()), state.tally()
    assert [tally.team for tally in by_database] == ["b", "b", "a"]
    assert set(by_rows) == set(by_database)


def test_rows_of_one_team(tmp_path: Path) -> None:
    """What a job needs of the state: not every team's every case."""
    state = opened(tmp_path, roster(team("b"), team("a")))
    state.finish([CaseRow("a", "c2", CaseState.DONE, seconds=2.5)])
    assert state.rows("a") == [row for row in state.rows() if row.team == "a"]
    assert state.rows("nobody") == []


def test_the_runner_is_imported_without_the_engines_library() -> None:
    """The evaluator's image is without it."""
    code = "import sys; sys.modules['docker'] = None; import evaluation.harness.run, evaluation.harness.engine"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_cases_tell_sessions_apart(tmp_path: Path) -> None:
    for session in ("ses-1", "ses-2"):
        path = tmp_path / "sub-001" / session / "anat" / "sub-001_T2w.nii.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    assert len({case_id(case) for case in find_cases(tmp_path).cases}) == 2
