"""Which process does which case, where several work on one output folder, as the jobs of an array do.

A claim is a lock on one byte of a hidden file in the output folder, at a place that the case's name gives. The kernel
frees it when its process ends, however it ends, so that a killed process's case is taken over. Such locks hold
between machines, too, where a network's file system knows locks; one that knows none is used without.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feta.errors import error_kind
from feta.lock import NO_LOCKS
from inference.processes.signals import tidied

NAME = ".feta-infer.lock"
#: Bytes of the file, which holds none: locks may lie beyond its end. Who is at work, who writes run.json, and cases.
_PRESENCE, _LOG, _FIRST_CASE = 0, 1, 2
_PLACES = 2**62


class Claims:
    """The claims of this process in a folder.

    Args:
        root: the output folder, which is made; None for a run that has none, which claims everything.

    Attributes:
        alone: whether no other process was at work there when this one began.
    """

    def __init__(self, root: Path | None) -> None:
        self.path = None if root is None else root / NAME
        self.descriptor: int | None = None
        self.alone = True
        if self.path is not None:
            self._join(self.path)

    @classmethod
    @contextmanager
    def on(cls, root: Path | None) -> Iterator[Claims]:
        """Work in a folder until the end of the block.

        Raises:
            FetaError: it can't be made or written.
        """
        claims = cls(root)
        try:
            with tidied(claims._leave):
                yield claims
        finally:
            claims._leave()

    @contextmanager
    def claim(self, case: str, *, wait: bool = False) -> Iterator[bool]:
        """Whether a case is this process's, until the end of the block.

        Args:
            case: names it among all that write to the folder.
            wait: wait until whoever has it is done with it, or dead.
        """
        digest = hashlib.sha256(case.encode(errors="backslashreplace")).digest()
        place = _FIRST_CASE + int.from_bytes(digest) % _PLACES
        mine = self._lock(fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, place)
        try:
            yield mine
        finally:
            if mine:
                self._lock(fcntl.LOCK_UN, place)

    @contextmanager
    def log(self) -> Iterator[None]:
        """Hold run.json, for the moment in which it is read and written again."""
        self._lock(fcntl.LOCK_EX, _LOG)
        try:
            yield
        finally:
            self._lock(fcntl.LOCK_UN, _LOG)

    def last(self) -> bool:
        """Whether no other process is at work any more; from then on none begins until this one leaves."""
        return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, _PRESENCE)

    def part(self) -> bool:
        """As ``last``, and where others are at work, count no longer as one of them; to be called within ``log``."""
        return self.last() or not self._lock(fcntl.LOCK_UN, _PRESENCE)

    def _join(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
                self.alone = self.last()
                self._lock(fcntl.LOCK_SH, _PRESENCE)
                if self._is_current(path):
                    return
                os.close(self.descriptor)  # whoever was the last has removed it in between
        except OSError as error:
            said = f"cannot be written ({error.strerror})"
            raise error_kind(error)(path.parent, said, "choose a folder you can write to") from error

    def _is_current(self, path: Path) -> bool:
        """Whether the file that was opened is still the one of that name."""
        assert self.descriptor is not None
        try:
            return os.path.samestat(path.lstat(), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False

    def _leave(self) -> None:
        """Remove the file, unless somebody else is at work; closing it frees all locks."""
        if self.path is None or self.descriptor is None:
            return
        if self.last() and self._is_current(self.path):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)
        self.descriptor = None

    def _lock(self, how: int, place: int) -> bool:
        if self.descriptor is None:
            return True
        try:
            fcntl.lockf(self.descriptor, how, 1, place)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):  # somebody else has it
                return False
            if error.errno not in NO_LOCKS:
                said = f"can't be locked ({error.strerror})"
                raise error_kind(error)(self.path or NAME, said, "choose another folder for results") from error
        return True
