"""How much memory a team's containers were seen to use: the engine keeps no highest value, so that it is looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from evaluation.harness.engine import Engine
from evaluation.harness.engine_errors import RefusedError
from feta.errors import FetaError

_SECONDS_BETWEEN_LOOKS = 0.25


@dataclass
class Highest:
    """The highest values seen, and how often it was looked.

    Attributes:
        memory: bytes.
    """

    memory: int = 0
    processes: int = 0
    looks: int = 0

    def see(self, load: tuple[int, int]) -> None:
        """One look: number of processes, bytes of memory."""
        self.processes, self.memory = max(self.processes, load[0]), max(self.memory, load[1])
        self.looks += 1


@contextmanager
def sampled(team: str) -> Iterator[Highest]:
    """Look at the containers of a team several times a second, from another thread.

    Args:
        team: its name, which no other team of this engine has.
    """
    highest, stop = Highest(), threading.Event()
    thread = threading.Thread(target=_look, args=(team, highest, stop), daemon=True)
    thread.start()
    try:
        yield highest
    finally:
        stop.set()
        thread.join()


def _look(team: str, highest: Highest, stop: threading.Event) -> None:
    """Until told to stop. What goes wrong here is not worth the run: fewer looks are told."""
    try:
        with closing(Engine()) as engine:
            while not stop.wait(_SECONDS_BETWEEN_LOOKS):
                for container in engine.labelled(f"feta.team={team}")[0]:
                    try:
                        load = engine.load(container)
                    except RefusedError:  # it has gone meanwhile
                        continue
                    if load:
                        highest.see(load)
    except FetaError:
        return
