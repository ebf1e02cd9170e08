"""One harness at a time in an output folder."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from evaluation.runner_setting import RunFolders
from feta.errors import FetaError

_TRIES, _SECONDS_BETWEEN_TRIES = 10, 0.1


@contextmanager
def locked(folders: RunFolders) -> Iterator[None]:
    """One harness at a time; a killed one holds nothing."""
    try:
        folders.root.mkdir(parents=True, exist_ok=True)
        file = folders.lock.open("a")
    except OSError as error:
        said = f"can't be written ({error.strerror})"
        raise FetaError(folders.root, said, "choose a folder you can write to") from error
    with file:
        for tries_left in reversed(range(_TRIES)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                # `status` holds it for a moment when it looks.
                if not tries_left:
                    raise FetaError(folders.root, "another run is at work there", "wait for it, or end it") from error
                time.sleep(_SECONDS_BETWEEN_TRIES)
        yield


def is_running(folders: RunFolders) -> bool:
    """Whether a harness is at work in a folder."""
    try:
        with folders.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
