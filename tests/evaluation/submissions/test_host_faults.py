"""A fault of this machine is charged to nobody; what no label map can need isn't read."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from evaluation.commands.common import UNUSABLE
from evaluation.harness.record import read_record
from evaluation.submissions import intake
from evaluation.submissions.find import find_submissions
from evaluation.submissions.intake import RejectedError, take
from evaluation.submissions.label_maps import take_label_map
from evaluation.submissions.reasons import Reason
from feta.errors import FetaError, HostError
from feta.grid import Grid
from feta.volumes import Volume, write_label_map
from tests.support.nifti_files import nifti, put
from tests.support.small_brains import write_team, write_truth

GRID = Grid((10, 11, 12), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
NAME = PurePosixPath("map.nii.gz")


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "team").mkdir()
    write_label_map(tmp_path / "team" / NAME, Volume(np.ones((12, 11, 10), np.uint8), GRID))
    return tmp_path / "team"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_not_the_team_s(
    code: int, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(intake, "_copy", full)
    with pytest.raises(HostError, match="can't be copied"):
        take_label_map(team, NAME, tmp_path, GRID)


def test_a_file_that_can_t_be_read_is_the_team_s(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> str:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(intake, "_copy", forbidden)
    with pytest.raises(RejectedError, match="cannot be read"):
        take_label_map(team, NAME, tmp_path, GRID)


def test_no_temporary_folder_is_the_machine_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(HostError, match="TMPDIR"), intake.private_folder():
        pass


def test_errors_come_whole_from_another_process() -> None:
    for error in (FetaError("a", "b", "c"), HostError(Path("a"), "b"), FetaError("a", "b")):
        sent = pickle.loads(pickle.dumps(error))
        assert (type(sent), str(sent), sent.remedy) == (type(error), str(error), error.remedy)


def test_a_sparse_file_is_refused_unread(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 GiB that take no room on the team's disk would fill ours."""
    with (team / NAME).open("wb") as file:
        file.truncate(2 << 30)
    monkeypatch.setattr(intake, "_copy", lambda *_: pytest.fail("copied"))
    with pytest.raises(RejectedError, match="not read") as caught:
        take_label_map(team, NAME, tmp_path, GRID)
    assert caught.value.reason == Reason.INVALID_FILE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(4000), Reason.INVALID_FILE),
        (b"", Reason.INVALID_FILE),
        (b"\x1f\x8b\x08" + bytes(50), Reason.INVALID_FILE),
        (nifti(np.zeros((5, 5, 5), "u1")), Reason.WRONG_GRID),
        (nifti(np.zeros((12, 11, 10), "u1"), spacing=(2.0, 2.0, 2.0)), Reason.WRONG_GRID),
    ],
    ids=["zeros", "empty", "damaged gzip", "another size", "another spacing"],
)
def test_a_header_that_does_not_fit_is_refused_before_the_copy(
    data: bytes, reason: Reason, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (team / NAME).write_bytes(data)
    monkeypatch.setattr(intake, "_copy", lambda *_: pytest.fail("copied"))
    with pytest.raises(RejectedError) as caught:
        take_label_map(team, NAME, tmp_path, GRID)
    assert caught.value.reason == reason


def test_a_table_of_lengths_has_a_limit_of_its_own(team: Path, tmp_path: Path) -> None:
    (team / "a_biom.csv").write_bytes(bytes(1001))
    with pytest.raises(RejectedError, match="1000 bytes"):
        take(team, PurePosixPath("a_biom.csv"), tmp_path, largest=1000)


def test_the_widest_label_map_of_a_grid_is_read(team: Path, tmp_path: Path) -> None:
    axes = np.diag([-1.0, -1.0, 1.0])[:, [0, 1, 2, 2]] * [1, 1, 1, 0]
    file = put(team / "wide.nii", nifti(np.ones((12, 11, 10), "f8"), sform=axes))
    assert take_label_map(team, PurePosixPath(file.name), tmp_path, GRID).path.stat().st_size == file.stat().st_size


def test_a_full_disk_ends_the_scoring_with_status_2_and_no_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from evaluation import cli

    truth, teams, out = tmp_path / "truth", tmp_path / "teams", tmp_path / "scores"
    write_truth(truth)
    write_team(teams / "honest")
    # Plots take seconds; the report has tests of its own.
    monkeypatch.setattr("evaluation.report.write.render", lambda *_, **__: "report")
    copy = intake._copy

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    arguments = ["feta-evaluate", "score", str(truth), str(teams), str(out), "--jobs", "1"]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setattr(intake, "_copy", full)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err.splitlines()
    assert caught.value.code == UNUSABLE
    assert "No space left" in said[-1]
    assert not list(out.glob("leaderboard*"))
    monkeypatch.setattr(intake, "_copy", copy)
    with pytest.raises(SystemExit) as again:
        cli.main()
    assert again.value.code in (0, 1)
    assert list(out.glob("leaderboard*"))


@pytest.mark.parametrize("below", ["predictions/x", "predictions", "elsewhere"])
def test_a_team_called_derivatives_hides_nobody(tmp_path: Path, below: str) -> None:
    (tmp_path / "derivatives" / below).mkdir(parents=True)
    (tmp_path / "honest").mkdir()
    assert [team.team for team in find_submissions(tmp_path)[0]] == ["derivatives", "honest"]


@pytest.mark.parametrize("beside", [(), ("sub-001",), (".git",)])
def test_the_layout_of_a_data_set_is_recognised_where_it_is_the_whole(tmp_path: Path, beside: tuple[str, ...]) -> None:
    for name in ("derivatives/predictions/x", "derivatives/predictions/y", *beside):
        (tmp_path / name).mkdir(parents=True)
    assert [team.team for team in find_submissions(tmp_path)[0]] == ["x", "y"]


def test_teams_whose_names_begin_as_subjects_do_are_not_hidden(tmp_path: Path) -> None:
    for name in ("derivatives/predictions/x", "sub-zero/sub-001/anat", "sub-scorpion"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sub-scorpion" / "sub-001_T2w_dseg.nii.gz").touch()
    assert [team.team for team in find_submissions(tmp_path)[0]] == ["derivatives", "sub-scorpion", "sub-zero"]


def test_a_team_called_like_the_record_of_a_run_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "runs.json").mkdir()
    assert read_record(tmp_path) == {}
