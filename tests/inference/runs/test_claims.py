"""Claims: one process a case, freed when it ends, and one folder's last process tidies up."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feta.errors import FetaError
from inference.runs.claims import NAME, Claims

ROOT = Path(__file__).parents[3]
HOLDER = """
import pathlib, sys
from inference.runs.claims import Claims
with Claims.on(pathlib.Path(sys.argv[1])) as claims, claims.claim("a") as mine:
    print(mine, claims.alone, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed case a, until its standard input ends."""
    call = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "True True\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_case_is_one_process_s_and_another_case_another_s(tmp_path: Path) -> None:
    with holder(tmp_path), Claims.on(tmp_path) as claims:
        assert not claims.alone
        with claims.claim("a") as mine:
            assert not mine
        with claims.claim("b") as mine:
            assert mine


def test_a_killed_process_s_claim_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process, Claims.on(tmp_path) as claims:
        process.kill()
        with claims.claim("a", wait=True) as mine:
            assert mine


def test_who_is_the_last_removes_the_file(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with Claims.on(tmp_path) as claims:
            assert not claims.last()
        assert (tmp_path / NAME).exists()
        process.communicate("")
    assert not (tmp_path / NAME).exists()


def test_who_has_parted_is_no_obstacle_to_who_comes(tmp_path: Path) -> None:
    with holder(tmp_path) as process, Claims.on(tmp_path) as claims:
        with claims.log():
            assert not claims.part()
        process.communicate("")
        with holder(tmp_path):
            pass


def test_without_a_folder_everything_is_claimed() -> None:
    with Claims.on(None) as claims, claims.claim("a") as mine, claims.log():
        assert (mine, claims.alone, claims.last()) == (True, True, True)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(fcntl, "lockf", refusing(number))
    with Claims.on(tmp_path) as claims, claims.claim("a") as mine:
        assert mine


def test_a_lock_that_is_refused_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "lockf", refusing(errno.EIO))
    with pytest.raises(FetaError, match="can't be locked"), Claims.on(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["file in the place of the folder", "link in the place of the lock"])
def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "out"
    if kind.startswith("file"):
        folder.touch()
    else:
        folder.mkdir()
        (folder / NAME).symlink_to("elsewhere")
    with pytest.raises(FetaError, match="cannot be written"), Claims.on(folder):
        pass


def refusing(number: int) -> object:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse
