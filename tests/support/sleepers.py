"""``python -m tests.support.sleepers WHICH FOLDER``: a pool of two that sleep, and leave their ids in a folder."""

from __future__ import annotations

import importlib
import os
import sys
import time
from functools import partial
from pathlib import Path

from evaluation.scoring import process_pool
from training.scanner.processes import in_processes


def sleep(folder: Path, _task: int) -> None:
    """Leave the id of this process, then sleep longer than any test takes."""
    (folder / str(os.getpid())).touch()
    time.sleep(300)


if __name__ == "__main__":
    # By its module's name, under which another process finds it.
    work = partial(importlib.import_module("tests.support.sleepers").sleep, Path(sys.argv[2]))
    if sys.argv[1] == "training":
        list(in_processes(work, [0, 1], 2))
    else:
        with process_pool._pool(2) as pool:
            list(pool.map(work, [0, 1]))
