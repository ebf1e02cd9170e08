"""The same scores from a dask cluster, a worker of which is killed on the way."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evaluation.cluster import connection
from evaluation.scoring import dask_pool as cluster
from evaluation.scoring.case_task import CaseResult, CaseTask
from evaluation.scoring.score import score
from evaluation.scoring.score_table import ScoreTable
from evaluation.submissions.intake import identities
from feta.errors import FetaError
from tests.support.small_brains import write_team, write_truth

if TYPE_CHECKING:
    from distributed import LocalCluster

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask.distributed isn't installed"
)
CASES = 8


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalCluster]:
    """A scheduler and two workers, each a process with a nanny that starts it again."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as started:
        yield started


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    truth = write_truth(tmp_path / "truth", CASES)
    write_team(tmp_path / "submissions" / "good", CASES, shift=0.7, factor=1.1)
    team = write_team(tmp_path / "submissions" / "bad", CASES, shift=1.4)
    path = team / "sub-003/anat/sub-003_rec-mial_T2w_dseg.nii.gz"
    path.unlink()
    path.hardlink_to(truth / "sub-003/anat/sub-003_rec-mial_dseg.nii.gz")
    return truth, tmp_path / "submissions"


def same(one: ScoreTable, other: ScoreTable) -> None:
    for name in ScoreTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_worker_is_killed_and_nothing_is_lost(cohort: tuple[Path, Path], workers: LocalCluster) -> None:
    expected, said = score(*cohort, jobs=1)
    victims = [nanny.pid for nanny in workers.workers.values()]
    seen = []

    def kill_one(done: int, total: int) -> None:
        seen.append(done)
        if done == 1:
            os.kill(victims[0], signal.SIGKILL)

    table, messages = score(*cohort, scheduler=workers.scheduler_address, progress=kill_one)
    same(table, expected)
    assert messages.teams == said.teams
    assert seen == list(range(CASES + 1))
    assert set(table.reasons[0, 2].ravel()) == {"unsafe-file"}


def test_a_map_that_kills_every_worker_costs_its_team_alone(
    cohort: tuple[Path, Path], workers: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = score(*cohort, jobs=1)
    run_case = cluster.run_case

    def deadly(task: CaseTask) -> CaseResult:
        maps = [str(files.label_map.name) for files in task.teams if files.root.name == "bad"]
        if any("sub-001" in name for name in maps):
            os._exit(9)
        return run_case(task)

    monkeypatch.setattr(cluster, "run_case", deadly)
    monkeypatch.setattr(workers.scheduler, "allowed_failures", 0)
    table, messages = score(*cohort, scheduler=workers.scheduler_address)
    assert set(table.reasons[0, 0].ravel()) == {"not-measured"}
    assert "ended the process" in messages.teams["bad"][0]
    np.testing.assert_array_equal(table.length_errors, expected.length_errors)
    np.testing.assert_array_equal(table.values[1], expected.values[1])


def test_no_scheduler_is_one_clear_line(cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.5)
    for address in ("nonsense://x", "tcp://127.0.0.1:1"):
        with pytest.raises(FetaError, match="no scheduler answers") as caught:
            score(*cohort, scheduler=address)
        assert len(str(caught.value).splitlines()) == 1


def test_no_client_is_left_of_a_scheduler_that_does_not_answer(
    cohort: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the garbage collector finds later may wait for ever, and all with it."""
    from distributed import Client

    def clients() -> int:
        return sum(isinstance(each, Client) for each in gc.get_objects())

    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.5)
    gc.collect()
    before = clients()
    gc.disable()
    try:
        with pytest.raises(FetaError, match="no scheduler answers"):
            score(*cohort, scheduler="tcp://127.0.0.1:1")
        assert clients() == before
    finally:
        gc.enable()


def test_workers_with_another_evaluator_are_refused(
    cohort: tuple[Path, Path], workers: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "VERSION", "another")
    with pytest.raises(FetaError, match="not another"):
        score(*cohort, scheduler=workers.scheduler_address)


def test_a_hard_link_is_known_on_another_machine_too(tmp_path: Path) -> None:
    """There a mounted file has another device number, and the same inode, size and time."""
    (tmp_path / "file").write_bytes(b"truth")
    (tmp_path / "link").hardlink_to(tmp_path / "file")
    (tmp_path / "copy").write_bytes(b"truth")
    file, link, copy = (identities((tmp_path / name).stat()) for name in ("file", "link", "copy"))
    assert file[1] == link[1]
    assert file[0][0] not in file[1]
    assert set(file).isdisjoint(copy)
