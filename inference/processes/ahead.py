"""What is needed next, made in a thread while this one is at other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Begun(Generic[T]):
    path: Path
    state: tuple[int, ...]
    content: Future[T]


class ReadAhead(Generic[T]):
    """Reads files; one of them may be begun before it is asked for.

    Args:
        read: reads a file. It must be able to run beside what else the process does.
    """

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._begun: _Begun[T] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def begin(self, path: Path) -> None:
        """Begin to read a file, in place of one that was begun and never asked for.

        Where that can't be done nothing is said: the file is read when it is asked for.
        """
        self._begun = None
        with suppress(OSError, RuntimeError):  # no such file; no thread can be started
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "read ahead")
            self._begun = _Begun(path, _state(path), self._thread.submit(self._read, path))

    def __call__(self, path: Path) -> T:
        """What a file holds: as it was begun, unless that failed or the file has changed since.

        Raises:
            Exception: as ``read``.
        """
        ahead = self._ahead(path)
        return ahead[0] if ahead else self._read(path)

    def _ahead(self, path: Path) -> tuple[T] | None:
        """What was begun and holds; of anything else nothing is kept, so that a second try has all of the memory."""
        begun, self._begun = self._begun, None
        if begun is None or begun.path != path:
            return None
        try:
            content = begun.content.result()
            return (content,) if _state(path) == begun.state else None
        except Exception:  # said by the second try, in its own turn
            return None
        finally:
            del begun  # which holds the error, which holds this frame and all that was read

    def close(self) -> None:
        """Give up what was begun."""
        self._begun = None
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None


def _state(path: Path) -> tuple[int, ...]:
    """What changes with a file's content, as far as its folder tells."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
