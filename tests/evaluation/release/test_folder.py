"""A release's folder is published whole: nothing else may lie in it, and nothing of an earlier release is left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from evaluation.release.folder import check_folder, write_folder
from evaluation.release.kinds import Kind, ReleaseFile
from evaluation.release.policy import ReleasePolicy
from feta.errors import FetaError

REPORT = ReleaseFile(Kind.REPORT, "index.html", "<!doctype html>")
PAGE = ReleaseFile(Kind.TEAM_PAGE, "teams/a.html", "a")
TABLE = ReleaseFile(Kind.CASE_TABLE, "cases.csv", "team")
KINDS = ReleasePolicy().kinds


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_the_contents_list_every_file_with_its_kind_and_sum(tmp_path: Path) -> None:
    write_folder(tmp_path / "r", [REPORT, PAGE], KINDS)
    assert names(tmp_path / "r") == {"index.html", "teams/a.html", "contents.json"}
    content = json.loads((tmp_path / "r" / "contents.json").read_text())
    assert set(content["kinds"]) == {"report", "team-page"}
    for file in content["files"]:
        data = (tmp_path / "r" / file["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]


def test_what_the_new_release_lacks_is_removed(tmp_path: Path) -> None:
    write_folder(tmp_path, [REPORT, PAGE, TABLE], ReleasePolicy(by_case=True).kinds)
    write_folder(tmp_path, [REPORT], KINDS)
    assert names(tmp_path) == {"index.html", "contents.json"}


def test_a_kind_that_the_policy_forbids_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not allow"):
        write_folder(tmp_path, [REPORT, TABLE], KINDS)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("other", ["scores.csv", "teams/b.html", ".hidden", "logs/a.txt"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, other: str) -> None:
    write_folder(tmp_path, [REPORT, PAGE], KINDS)
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_text("secret")
    with pytest.raises(FetaError, match=f"holds {other}, which no release wrote"):
        check_folder(tmp_path)


def test_a_link_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    write_folder(tmp_path / "r", [REPORT], KINDS)
    (tmp_path / "r" / "teams").symlink_to(tmp_path / "secret")
    with pytest.raises(FetaError, match="holds teams, which no release wrote"):
        check_folder(tmp_path / "r")


def test_an_empty_folder_has_a_name_that_would_be_published(tmp_path: Path) -> None:
    (tmp_path / "sub-031").mkdir()
    with pytest.raises(FetaError, match="holds sub-031, which no release wrote"):
        check_folder(tmp_path)


@pytest.mark.parametrize("done", range(4))
def test_a_release_that_was_killed_can_be_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Whatever of it and of an earlier one is there then."""
    write_folder(tmp_path, [REPORT, TABLE], ReleasePolicy(by_case=True).kinds)
    rename, renames = Path.replace, iter(range(done))

    def killed(self: Path, target: Path) -> Path:
        if next(renames, None) is None:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        write_folder(tmp_path, [REPORT, PAGE], KINDS)
        raise KeyboardInterrupt  # all of it was done
    write_folder(tmp_path, [REPORT, PAGE], KINDS)
    assert names(tmp_path) == {"index.html", "teams/a.html", "contents.json"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "feta-release/2", "files": []}', "[" * 100_000])
def test_a_list_of_contents_that_is_none_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "contents.json").write_text(text)
    with pytest.raises(FetaError, match="is no list of a release"):
        check_folder(tmp_path)


def test_what_a_killed_release_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams" / ".0123456789abcdef.part").write_text("half a page")
    assert check_folder(tmp_path) == set()
    assert names(tmp_path) == set()
