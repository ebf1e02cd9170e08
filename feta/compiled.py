"""Functions compiled by numba, and where the result of compiling is kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile on the first call, and keep the result where a folder can be written; other threads go on meanwhile."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither the package's folder nor the home is writable, as in a read-only container
        config.CACHE_DIR = _own_cache()
        return njit(cache=bool(config.CACHE_DIR), nogil=True)(function)


def inlined(function: Function) -> Function:
    """Compile as part of the compiled functions that call it: what a loop calls a million times is no call."""
    return njit(nogil=True, forceinline=True)(function)


def _own_cache() -> str:
    """A temporary folder that is this user's alone, since what lies in it is executed; or ""."""
    try:
        folder = Path(tempfile.gettempdir()) / f"feta-numba-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return ""
    return str(folder) if status.st_uid == os.getuid() and status.st_mode & 0o7777077 == 0o40000 else ""
