"""Modules that are imported while networks compute, in place of after them."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress


def import_ahead(modules: Sequence[str]) -> None:
    """Import modules in a thread of their own, unless all are there; who needs one sooner waits as for any import.

    What is wrong with a module is said where it is needed.

    Args:
        modules: their full names.
    """
    if missing := [name for name in modules if name not in sys.modules]:
        with suppress(RuntimeError):  # no thread is to be had: then later
            threading.Thread(target=_import, args=(missing,), name="import-ahead").start()


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
