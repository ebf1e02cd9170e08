"""``python -c`` in processes forked from one that has imported torch already, which takes longer than they run."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

#: Apart from pytest's own process, whose threads of torch would not outlive a fork.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["training.cli", "training.tasks.segmentation", "tests.support.forked"])


@dataclass(frozen=True)
class Forked:
    """A process that runs, and where its standard error goes."""

    process: BaseProcess
    errors: Path

    def wait(self, seconds: float) -> tuple[int | None, str]:
        """Exit status and standard error; status None where it has not ended by then, and is killed."""
        self.process.join(seconds)
        status = self.process.exitcode
        if status is None:
            self.process.kill()
            self.process.join()
        return status, self.errors.read_text()


def start(call: Sequence[str], environment: Mapping[str, str], errors: Path) -> Forked:
    """Start ``[python, "-c", code, *arguments]`` with variables on top of the environment."""
    _, option, code, *arguments = call
    assert option == "-c"
    process = _CONTEXT.Process(target=_run, args=(code, arguments, dict(environment), errors))
    process.start()
    return Forked(process, errors)


def _run(code: str, arguments: list[str], environment: dict[str, str], errors: Path) -> None:
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    with errors.open("wb") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())
    exec(code, {"__name__": "__main__"})
