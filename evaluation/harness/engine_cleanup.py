"""Removing what a run made in the engine, until nothing of it is left."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from evaluation.harness.engine_errors import RefusedError

_LOG = logging.getLogger(__name__)
_TRIES, _SECONDS_BETWEEN_TRIES = 60, 0.2


class Removing(Protocol):
    """What is needed of the engine."""

    def labelled(self, label: str) -> tuple[list[str], list[str]]:
        """Containers and volumes with a label."""

    def remove(self, container: str) -> None:
        """Remove a container."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""


def remove_all(engine: Removing, label: str) -> int:
    """Remove containers and volumes with a label until there are none; returns how many containers there were.

    What can't be removed is only warned of.
    """
    count = 0
    for tries_left in reversed(range(_TRIES)):
        containers, volumes = engine.labelled(label)
        if not containers and not volumes:
            break
        if tries_left < _TRIES - 1:  # what is found again is being removed elsewhere, or resists
            time.sleep(_SECONDS_BETWEEN_TRIES)
        count = max(count, len(containers))
        try:
            for container in containers:
                engine.remove(container)
            for volume in volumes:
                engine.remove_volume(volume)
        except RefusedError as error:
            if not tries_left:
                _LOG.warning("what carries the label %s can't be removed (%s); look at `docker ps`", label, error)
    return count
