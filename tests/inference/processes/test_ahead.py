"""Reading ahead: what is given is what the file holds when it is asked for."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path

import pytest

from inference.processes.ahead import ReadAhead


class Volume:
    """Stands for something large."""


class Reading:
    """Reads texts, and notes which and in which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.error: Exception | None = None

    def __call__(self, path: Path) -> str:
        self.calls.append((path.name, threading.current_thread() is threading.main_thread()))
        error, self.error = self.error, None
        if error is not None:
            raise error
        return path.read_text()


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "a").write_text("A")
    (tmp_path / "b").write_text("B")
    return tmp_path / "a", tmp_path / "b"


def test_what_was_begun_is_read_once_in_another_thread(files: tuple[Path, Path], reading: Reading) -> None:
    read = ReadAhead(reading)
    assert read(files[0]) == "A"
    read.begin(files[1])
    assert read(files[1]) == "B"
    read.close()
    assert reading.calls == [("a", True), ("b", False)]


def test_another_file_than_the_one_begun_is_read(files: tuple[Path, Path], reading: Reading) -> None:
    read = ReadAhead(reading)
    read.begin(files[1])
    assert read(files[0]) == "A"
    assert read(files[1]) == "B"
    read.close()


def test_what_was_begun_is_given_once(files: tuple[Path, Path], reading: Reading) -> None:
    read = ReadAhead(reading)
    read.begin(files[0])
    assert read(files[0]) == "A"
    files[0].write_text("another")
    assert read(files[0]) == "another"
    read.close()


def test_a_file_that_has_changed_since_is_read_anew(files: tuple[Path, Path], reading: Reading) -> None:
    read = ReadAhead(reading)
    read.begin(files[0])
    files[0].write_text("longer")
    assert read(files[0]) == "longer"
    read.close()


def test_a_file_that_is_gone_since_is_an_error_in_its_own_turn(files: tuple[Path, Path], reading: Reading) -> None:
    read = ReadAhead(reading)
    read.begin(files[0])
    files[0].unlink()
    with pytest.raises(FileNotFoundError):
        read(files[0])
    read.close()


def test_what_failed_ahead_is_tried_again(files: tuple[Path, Path], reading: Reading) -> None:
    reading.error = MemoryError()
    read = ReadAhead(reading)
    read.begin(files[0])
    assert read(files[0]) == "A"
    assert reading.calls == [("a", False), ("a", True)]
    read.close()


@pytest.mark.parametrize("fails", [True, False])
def test_the_second_try_has_the_memory_of_the_first(files: tuple[Path, Path], fails: bool) -> None:
    """Without waiting for a search of objects that hold each other: a volume may be as large as half of the memory."""
    made: list[weakref.ref[Volume]] = []
    kept: list[bool] = []
    begun = threading.Event()

    def read(_path: Path) -> Volume:
        late = time.monotonic() + 2  # the thread may be about to let go of it
        while any(each() is not None for each in made) and time.monotonic() < late:
            time.sleep(0.01)
        kept.append(any(each() is not None for each in made))
        volume = Volume()
        made.append(weakref.ref(volume))
        begun.set()
        if fails and len(made) == 1:
            raise MemoryError
        return volume

    ahead = ReadAhead(read)
    gc.disable()
    try:
        ahead.begin(files[0])
        assert begun.wait(60)
        files[0].write_text("longer")
        ahead(files[0])
    finally:
        gc.enable()
        ahead.close()
    assert kept == [False, False]


def test_a_file_that_is_not_there_is_begun_in_silence(tmp_path: Path, reading: Reading) -> None:
    read = ReadAhead(reading)
    read.begin(tmp_path / "none")
    (tmp_path / "none").write_text("now")
    assert read(tmp_path / "none") == "now"
    read.close()


def test_where_no_thread_can_be_started_files_are_read_in_their_turn(
    files: tuple[Path, Path], reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    read = ReadAhead(reading)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    read.begin(files[0])
    assert read(files[0]) == "A"
    assert reading.calls == [("a", True)]
