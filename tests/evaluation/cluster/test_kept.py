"""What a worker keeps between jobs: one container that holds volumes for several, and none when it isn't needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evaluation.cluster import kept as module
from evaluation.cluster.kept import close_kept, kept
from evaluation.cluster.request import JobRequest
from evaluation.harness.conventions import make_call, make_jobs
from evaluation.harness.roster import ResourceLimits, Team
from feta.cases import find_cases
from tests.support.made_up_engine import MadeUpEngine
from tests.support.small_brains import write_truth

if TYPE_CHECKING:
    from collections.abc import Iterator

TEAM = Team("a", "good:1")


@pytest.fixture
def request_(tmp_path: Path) -> Iterator[JobRequest]:
    cases = find_cases(write_truth(tmp_path / "input", 1)).cases
    (job,) = make_jobs(TEAM, cases)
    yield JobRequest("run", job, cases, "sha256:0", "h", 1000, ResourceLimits(), 60.0, False, tmp_path, further=3)
    close_kept("run")


def use(request: JobRequest) -> str:
    """One job's volumes; the container that holds them."""
    with kept(request, {"feta.process": "1"}) as mine:
        return mine.volumes.give(make_call(request.job), Path("/staged")).helper


def test_several_jobs_of_a_team_share_a_holder(request_: JobRequest) -> None:
    assert len({use(request_) for _ in range(4)}) == 1
    close_kept("run")
    assert (MadeUpEngine.containers, MadeUpEngine.volumes) == ({}, {})


@pytest.mark.parametrize("change", [{"user": 1001}, {"run_id": "other"}, {"limits": ResourceLimits(output_mb=1)}])
def test_nothing_is_shared_by_what_differs(request_: JobRequest, change: dict[str, object]) -> None:
    other = replace(request_, **change)  # type: ignore[arg-type]
    assert use(request_) != use(other)
    close_kept("other")


def test_an_engine_that_was_started_again_is_asked_for_new_ones(request_: JobRequest) -> None:
    first = use(request_)
    MadeUpEngine.containers.pop(first)
    assert use(request_) != first


def test_after_an_error_nothing_is_kept(request_: JobRequest) -> None:
    with pytest.raises(OSError), kept(request_, {}) as mine:
        mine.volumes.give(make_call(request_.job), Path("/staged"))
        raise OSError
    assert MadeUpEngine.containers == {}


def test_what_nobody_uses_any_more_is_removed(request_: JobRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", -1.0)
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_LOOKS", 0.01)
    use(request_)
    janitor = module._janitor
    assert janitor is not None
    janitor.join(20)
    assert (MadeUpEngine.containers, MadeUpEngine.volumes, module._janitor) == ({}, {}, None)
