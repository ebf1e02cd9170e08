"""Taking in one file of a submission: safely, once, and with a reason where it is refused.

Nothing of a submission is read in place. The path is walked from the team's
folder one component at a time, no component may be a link, and what is opened
is copied to a private file; all that follows looks at the copy.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evaluation.submissions.reasons import Reason
from feta.errors import HostError, is_hosts_fault, printable

#: A result file larger than this isn't read.
MAX_FILE_BYTES = 2 << 30
#: First bytes that are looked at before the rest is read: a header, compressed or not.
HEAD_BYTES = 1 << 16
_BLOCK = 1 << 20
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "is a link"),
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)

#: What a file is, whatever it is called: see ``identities``.
Identity = tuple[int, ...]


def identities(status: os.stat_result) -> tuple[Identity, Identity]:
    """(device, inode), and what is the same on every machine that mounts the file: (inode, size, time of change)."""
    return (status.st_dev, status.st_ino), (status.st_ino, status.st_size, status.st_mtime_ns)


class RejectedError(Exception):
    """A file that isn't scored.

    Args:
        reason: the code that stands beside the penalty.
        line: one line for the team, which names the file, the problem, and what to do.
    """

    def __init__(self, reason: Reason, line: str) -> None:
        super().__init__(reason, line)
        self.reason = reason
        self.line = printable(" ".join(line.split()))


@dataclass(frozen=True)
class PrivateCopy:
    """A copy of a submitted file that nobody else can change.

    Attributes:
        path: the copy.
        name: the original below its team's folder, for messages.
        sha256: of its bytes, in hexadecimal.
    """

    path: Path
    name: PurePosixPath
    sha256: str


@contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder that nobody else can read.

    Raises:
        HostError: there is no place for one.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="feta-")
    except OSError as error:
        raise HostError("TMPDIR", f"no temporary folder can be made ({error.strerror})", "set TMPDIR") from error
    with folder as path:
        yield Path(path)


def take(
    root: Path,
    name: PurePosixPath,
    folder: Path,
    truth: frozenset[Identity] = frozenset(),
    *,
    largest: int | None = None,
    check: Callable[[bytes], None] | None = None,
) -> PrivateCopy:
    """Copy a submitted file into a private folder.

    Args:
        root: the team's folder, itself no link.
        name: the file below it.
        folder: where the copy goes.
        truth: files of the ground truth, which no submission may be, under whatever name (hard links).
        largest: bytes that such a file can need, MAX_FILE_BYTES if not given; of a larger one nothing is read.
        check: looks at the file's first bytes, and raises RejectedError before the rest is read.

    Raises:
        HostError: the disk is full, or something else of this machine's fails.
        RejectedError: it isn't a regular file inside ``root``, is the truth itself, too large, or changes meanwhile.
    """
    # The reader tells .nii from .nii.gz by content, so the copy needs no ending.
    copy = folder / "taken"
    largest = MAX_FILE_BYTES if largest is None else largest
    try:
        descriptor = _open_inside(root, name)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _check_kind(before, name, truth, largest)
            if check is not None:
                check(file.read(HEAD_BYTES))
                file.seek(0)
            digest = _copy(file, copy, name, largest)
            after = os.fstat(descriptor)
    except OSError as error:
        if is_hosts_fault(error):
            remedy = "free some, or set TMPDIR; the same call goes on then"
            raise HostError(folder, f"a submitted file can't be copied there ({error.strerror})", remedy) from error
        raise RejectedError(Reason.UNSAFE_FILE, f"{name}: cannot be read ({error.strerror})") from error
    if _state(before) != _state(after) or copy.stat().st_size != before.st_size:
        raise RejectedError(Reason.UNSAFE_FILE, f"{name}: changed while it was read; submit a finished file")
    return PrivateCopy(copy, name, digest)


def _open_inside(root: Path, name: PurePosixPath) -> int:
    """Descriptor of a file below ``root``, reached without following any link."""
    if not name.parts or name.is_absolute() or ".." in name.parts:
        raise RejectedError(Reason.UNSAFE_FILE, f"{name}: leads out of the submission")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for part in name.parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Looked at before it is opened: opening a device can do something.
        _check_kind(os.stat(name.parts[-1], dir_fd=folder, follow_symlinks=False), name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        return os.open(name.parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)


def _check_kind(
    status: os.stat_result,
    name: PurePosixPath,
    truth: frozenset[Identity] = frozenset(),
    largest: int | None = None,
) -> None:
    if not stat.S_ISREG(status.st_mode):
        said = next((kind for test, kind in _KINDS if test(status.st_mode)), "is not a regular file")
        raise RejectedError(Reason.UNSAFE_FILE, f"{name}: {said}; put the file itself there")
    if not truth.isdisjoint(identities(status)):
        raise RejectedError(Reason.UNSAFE_FILE, f"{name}: is a hard link to the truth")
    if largest is not None and status.st_size > largest:
        raise RejectedError(
            Reason.INVALID_FILE, f"{name}: is larger than the {largest} bytes that one can need; not read"
        )


def _copy(file: Any, copy: Path, name: PurePosixPath, largest: int) -> str:
    """Copy a stream into a fresh file and return its SHA-256."""
    digest, taken = hashlib.sha256(), 0
    with copy.open("wb") as private:
        while block := file.read(_BLOCK):
            taken += len(block)
            if taken > largest:
                raise RejectedError(Reason.UNSAFE_FILE, f"{name}: grows while it is read")
            digest.update(block)
            private.write(block)
    return digest.hexdigest()


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
