"""Files of a submission are taken in safely, once, or refused with a reason."""

from __future__ import annotations

import os
import threading
from pathlib import Path, PurePosixPath

import pytest

from evaluation.submissions import intake
from evaluation.submissions.intake import RejectedError, printable, take
from evaluation.submissions.label_maps import check_label_map
from tests.support.hostile import ACCEPTED, REJECTED, SHAPE, Maker, make_device
from tests.support.small_brains import grid_of, write_truth

#: What is found out by names alone, before a file is taken in.
BY_NAME = ("missing-file", "two-files")


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write_truth(tmp_path / "truth", 1) / "sub-001/anat/sub-001_rec-mial_dseg.nii.gz"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


def identity(path: Path) -> frozenset[tuple[int, int]]:
    return frozenset({(path.stat().st_dev, path.stat().st_ino)})


@pytest.mark.parametrize("name", [n for n, (_, reason) in REJECTED.items() if reason not in BY_NAME])
def test_refused(name: str, truth: Path, team: Path, tmp_path: Path) -> None:
    make, reason = REJECTED[name]
    make(team / "map.nii.gz", truth)
    with pytest.raises(RejectedError) as caught:
        copy = take(team, PurePosixPath("map.nii.gz"), tmp_path, identity(truth))
        check_label_map(copy, grid_of(SHAPE))
    assert caught.value.reason == reason
    assert caught.value.line.startswith("map.nii.gz: ")
    assert str(tmp_path) not in caught.value.line
    assert len(caught.value.line.splitlines()) == 1


@pytest.mark.parametrize("name", [n for n in ACCEPTED if n != "uncompressed"])
def test_accepted(name: str, truth: Path, team: Path, tmp_path: Path) -> None:
    make: Maker
    make, remark = ACCEPTED[name]
    make(team / "map.nii.gz", truth)
    copy = take(team, PurePosixPath("map.nii.gz"), tmp_path, identity(truth))
    volume, messages = check_label_map(copy, grid_of(SHAPE))
    assert volume.array.any()
    assert len(messages) == bool(remark)
    assert all(remark in line for line in messages)


def test_copy_is_private(truth: Path, team: Path, tmp_path: Path) -> None:
    original = team / "map.nii.gz"
    original.write_bytes(truth.read_bytes())
    copy = take(team, PurePosixPath("map.nii.gz"), tmp_path)
    original.write_bytes(b"something else")
    assert copy.path.read_bytes() == truth.read_bytes()
    assert copy.path.stat().st_ino != original.stat().st_ino


@pytest.mark.parametrize("name", ["../truth/participants.tsv", "/etc/passwd", "sub-001/../../x", "", "."])
def test_no_way_out_of_the_folder(name: str, truth: Path, team: Path, tmp_path: Path) -> None:
    (team / "sub-001").mkdir()
    with pytest.raises(RejectedError, match="unsafe"):
        take(team, PurePosixPath(name), tmp_path)


def test_link_on_the_way(truth: Path, team: Path, tmp_path: Path) -> None:
    (team / "sub-001").symlink_to(truth.parents[1])
    with pytest.raises(RejectedError, match="unsafe"):
        take(team, PurePosixPath("sub-001/anat") / truth.name, tmp_path)


def test_team_folder_that_is_a_link(truth: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(truth.parent)
    with pytest.raises(RejectedError, match="unsafe"):
        take(tmp_path / "linked", PurePosixPath(truth.name), tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists() or os.getuid() != 0, reason="only root can make a device")
def test_device(team: Path, tmp_path: Path) -> None:
    try:
        make_device(team / "map.nii.gz", team)
    except PermissionError:  # a container may forbid it even to root: then there is nothing to refuse
        (team / "map.nii.gz").mkdir()
    with pytest.raises(RejectedError, match="unsafe"):
        take(team, PurePosixPath("map.nii.gz"), tmp_path)


def test_file_that_changes_while_it_is_read(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = team / "map.nii.gz"
    path.write_bytes(bytes(100))
    copy = intake._copy

    def slow(*arguments: object) -> str:
        digest = copy(*arguments)
        writer = threading.Thread(target=lambda: path.write_bytes(bytes(101)))
        writer.start()
        writer.join()
        return digest

    monkeypatch.setattr(intake, "_copy", slow)
    with pytest.raises(RejectedError, match="changed while it was read"):
        take(team, PurePosixPath("map.nii.gz"), tmp_path)


def test_file_beyond_the_limit(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 99)
    (team / "map.nii.gz").write_bytes(bytes(100))
    with pytest.raises(RejectedError, match="larger"):
        take(team, PurePosixPath("map.nii.gz"), tmp_path)


def test_names_are_fit_to_print() -> None:
    assert printable("a\nb\x1b[31m\u202ec") == "a�b�[31m�c"
    assert printable(os.fsdecode(b"caf\xe9")) == "caf�"
    assert printable("Universität Zürich") == "Universität Zürich"
