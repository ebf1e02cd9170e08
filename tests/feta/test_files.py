"""Files are written whole or not at all."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.files import gunzip, open_regular, read_text, write_atomically, write_together
from feta.tables import create_csv

ROOT = Path(__file__).parents[2]


def members(*pieces: bytes) -> bytes:
    return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)


def inflated(path: Path) -> bytes:
    with path.open("rb") as file:
        return b"".join(gunzip(file, path))


def test_a_file_of_several_gzip_members_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(members(*[bytes([i % 256]) * 5000 for i in range(1500)]))
    assert len(inflated(tmp_path / "a.gz")) == 7_500_000


@pytest.mark.parametrize("piece", [b"", b"x", b"y" * 100])
def test_a_file_of_thousands_of_gzip_members_of_next_to_nothing_is_refused(tmp_path: Path, piece: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(members(*[piece] * 3000))
    with pytest.raises(FetaError, match="too many pieces"):
        inflated(tmp_path / "a.gz")


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path):
    file = tmp_path / "sub-001" / "anat" / "a b.csv"
    write_atomically(file, "é\n")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert [p.name for p in file.parent.iterdir()] == ["a b.csv"]


def test_rights_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "truth").write_text("truth")
    (tmp_path / "out").symlink_to(tmp_path / "truth")
    write_atomically(tmp_path / "out", "mine")
    assert (tmp_path / "truth").read_text() == "truth"
    assert not (tmp_path / "out").is_symlink()


def test_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetaError, match=r"cannot be written .*choose a folder") as caught:
        write_atomically(tmp_path / "file" / "below" / "a.csv", "")
    assert "\n" not in str(caught.value)


def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetaError, match="No space left"):
        write_atomically(tmp_path / "a", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "a", "old")
    code = (
        "import os, signal, pathlib, feta.files as f\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"f.write_atomically(pathlib.Path({str(tmp_path / 'a')!r}), 'new' * 100000)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    assert (tmp_path / "a").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} == {"a"}


def test_files_that_belong_together_are_all_written_or_none(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("old")
    with pytest.raises(FetaError, match=r"/b: cannot be written"):
        write_together({tmp_path / "a": "new", tmp_path / "b": b"new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    write_together({tmp_path / "a": "new", tmp_path / "c" / "d": b"new"})
    assert (tmp_path / "a").read_text() == (tmp_path / "c" / "d").read_text() == "new"


@pytest.mark.parametrize(
    "data", ["é".encode(), "\ufeffé".encode(), "é".encode("utf-16"), "é".encode("latin-1")], ids=repr
)
def test_text_in_any_usual_encoding(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    assert read_text(tmp_path / "a") == "é"


def test_a_table_that_is_too_large(tmp_path):
    (tmp_path / "a").write_bytes(bytes(2000))
    with pytest.raises(FetaError, match="too large"):
        read_text(tmp_path / "a", limit=1999)


def test_opening_sees_through_a_swap_after_the_check(tmp_path, monkeypatch):
    (tmp_path / "truth").write_text("truth")
    (tmp_path / "a").symlink_to(tmp_path / "truth")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    with pytest.raises(FetaError, match="cannot be read"):
        open_regular(tmp_path / "a")


def test_a_table_in_a_missing_folder_is_made(tmp_path):
    with create_csv(tmp_path / "a" / "b" / "t.csv") as stream:
        stream.write("x\r\n")
    assert (tmp_path / "a" / "b" / "t.csv").read_bytes() == b"x\r\n"


def test_a_table_under_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FetaError, match="can't be made"):
        create_csv(tmp_path / "file" / "t.csv")


def test_a_table_where_a_folder_is_is_one_clear_line(tmp_path):
    with pytest.raises(FetaError, match="name a CSV file to write"):
        create_csv(tmp_path)
