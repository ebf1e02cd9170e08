"""One process at a time: a lock that a killed one does not leave behind."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feta.errors import FetaError

#: What a file system answers that knows no locks: it is used without.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_TRIES, _SECONDS_BETWEEN_TRIES = 10, 0.1


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold a file's lock, for work in the folder that it lies in.

    Args:
        lock: an empty file, which is made and stays.

    Raises:
        FetaError: another process holds it, or it can't be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        said = f"can't be written ({error.strerror})"
        raise FetaError(lock, said, "choose a folder you can write to") from error
    with file:
        for tries_left in reversed(range(_TRIES)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # `is_held` holds it for a moment when it looks.
                if not tries_left:
                    raise FetaError(lock.parent, "another run is at work there", "wait for it, or end it") from error
                time.sleep(_SECONDS_BETWEEN_TRIES)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise FetaError(lock, f"can't be locked ({error.strerror})", "choose another folder") from error
                break  # file systems without locks are used without
        yield


def is_held(lock: Path) -> bool:
    """Whether a process holds it."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
