import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from feta.errors import FetaError
from feta.lock import is_held, locked

ROOT = Path(__file__).resolve().parents[2]


def _holder(lock: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it is killed."""
    code = (
        "import pathlib, time; from feta.lock import locked\n"
        f"with locked(pathlib.Path({str(lock)!r})):\n    print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_one_process_at_a_time_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    assert not is_held(lock)
    with _holder(lock) as other:
        try:
            assert is_held(lock)
            with pytest.raises(FetaError, match="another run is at work there"), locked(lock):
                pass
        finally:
            os.kill(other.pid, signal.SIGKILL)
    assert not is_held(lock)
    with locked(lock):
        assert is_held(lock)


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(fcntl, "flock", _refusing(number))
    done = False
    with locked(tmp_path / "run.lock"):
        done = True
    assert done


def test_a_lock_that_is_refused_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", _refusing(errno.EACCES))
    with (
        pytest.raises(FetaError, match=r"run\.lock: can't be locked \(Permission denied\)"),
        locked(tmp_path / "run.lock"),
    ):
        pass


def test_a_lock_under_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetaError, match=r"can't be written .*choose a folder"), locked(tmp_path / "file" / "run.lock"):
        pass
