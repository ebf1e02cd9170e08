"""What a worker leaves behind when it is killed is removed by a small process beside it, which waits for its end.

A killed process removes nothing, and a container knows nothing of who started it. The pipe between the two is closed
by the kernel however the worker ends. ``python -m evaluation.cluster.reaper LABEL FOLDER`` is that process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import feta
from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError
from feta.errors import FetaError

#: An engine that was killed together with the worker is waited for, that long.
_PATIENCE_SECONDS, _SECONDS_BETWEEN_TRIES = 900.0, 2.0
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: What folders of jobs begin with, in a worker's own; hidden volumes lie in them where these were sent.
SCRATCH = "feta-"


def start_reaper(label: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start the process that removes everything with a label, and jobs' folders, when this one has ended.

    Args:
        label: ``key=value``.
        folder: the worker's own, where its jobs' are.
    """
    root = str(Path(feta.__file__).resolve().parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    # A session of its own: what ends the worker's group must not end this.
    return subprocess.Popen(
        [sys.executable, "-m", "evaluation.cluster.reaper", label, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        cwd="/", env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def reap(label: str, patience: float = _PATIENCE_SECONDS) -> bool:
    """Remove everything with a label, as soon as an engine answers; whether that was done."""
    end = time.monotonic() + patience
    while True:
        try:
            with closing(Engine()) as engine:
                engine.remove_labelled(label)
            return True
        except (FetaError, RefusedError):
            if time.monotonic() > end:
                return False
            time.sleep(_SECONDS_BETWEEN_TRIES)


def main() -> None:
    """Wait until the other end of the pipe is gone, and remove."""
    # Slurm and systemd tell every process of a job or service to end: this one's work begins when the worker has.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1 << 16):
        pass
    for number in _ENDING:  # an engine that is gone, too, is not waited for against an order
        signal.signal(number, signal.SIG_DFL)
    for path in Path(sys.argv[2]).glob(f"{SCRATCH}*"):
        shutil.rmtree(path, ignore_errors=True)
    reap(sys.argv[1])


if __name__ == "__main__":
    main()
