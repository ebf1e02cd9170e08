"""What an engine tells of a container's memory, and what it doesn't."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from evaluation.harness.engine import Engine

pytest.importorskip("docker", reason="needs the extra harness")


def engine(answer: Any) -> Engine:
    """One whose API answers a question for figures with this."""

    def stats(container: str, *, stream: bool, one_shot: bool) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = object.__new__(Engine)
    made._api = SimpleNamespace(stats=stats)
    return made


def test_files_that_are_only_kept_for_later_are_no_load() -> None:
    memory = {"usage": 100, "stats": {"inactive_file": 30}}
    assert engine({"pids_stats": {"current": 2}, "memory_stats": memory}).load("c") == (2, 70)


@pytest.mark.parametrize(
    "answer", [{}, requests.exceptions.JSONDecodeError("empty", "", 0), requests.ConnectionError()]
)
def test_of_a_container_that_has_just_ended_nothing_is_known(answer: Any) -> None:
    """Podman sends nothing, and ends the connection; that must not end the run."""
    assert engine(answer).load("c") is None
