"""Cases at the same time: what comes out is what comes out of one after the other."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from feta.cases import find_cases
from feta.errors import FetaError, HostError
from feta.volumes import write_volume
from inference.processes.death import NO_THREAD, DiedError
from inference.runs import at_once
from inference.runs.at_once import CaseWork, Done, ModelError, most_at_once
from inference.runs.outputs import CaseJob, Looks, folder_jobs
from inference.runs.run import run
from inference.runs.run_log import RunLog
from inference.runs.settings import Settings
from tests.support.driver import deadly, load
from tests.support.folders import SMALL, Counting, damage, make_tree, make_weights


def go(tmp_path: Path, out: str, workers: int | None, loader: Any = load) -> int:
    """Runs tmp_path/in → tmp_path/out and gives the exit status."""
    settings = Settings(make_weights(tmp_path / "weights"), workers=workers)
    jobs = folder_jobs(find_cases(tmp_path / "in").cases, tmp_path / out, Looks(report=False))
    return run(jobs, settings, root=tmp_path / out, load=loader)[0]


def log(tmp_path: Path, out: str) -> dict[str, Any]:
    return json.loads((tmp_path / out / "run.json").read_text())


def image(tmp_path: Path, n: int) -> Path:
    return tmp_path / f"in/sub-{n:03d}/anat/sub-{n:03d}_rec-mial_T2w.nii.gz"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which each call of the segmentation leaves a file, by its process."""
    (tmp_path / "calls").mkdir()
    monkeypatch.setenv("FETA_TEST_CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def results(folder: Path) -> dict[str, bytes]:
    """Every result by name, without what tells of seconds."""
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.endswith("dseg.json")}


def without_seconds(content: Any) -> Any:
    if isinstance(content, dict):
        return [(k, without_seconds(v)) for k, v in content.items() if k not in ("seconds", "started", "workers")]
    return content


def test_two_at_once_give_what_one_after_the_other_does(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "in", 4)
    damage(image(tmp_path, 2))
    assert go(tmp_path, "one", 1) == 1
    assert len({path.name.split("-")[0] for path in calls.iterdir()}) == 1
    for path in calls.iterdir():
        path.unlink()
    monkeypatch.setenv("FETA_TEST_MEET", "2")  # or the first case would wait for ever
    assert go(tmp_path, "two", 2) == 1
    one, two = results(tmp_path / "one"), results(tmp_path / "two")
    written = [json.loads(each.pop("run.json")) for each in (one, two)]
    assert one == two
    assert without_seconds(written[0]) == without_seconds(written[1])
    assert [case["status"] for case in written[1]["cases"].values()] == ["done", "failed", "done", "done"]


@pytest.mark.parametrize(("deaths", "status"), [(1, 0), (9, 1)])
def test_a_case_that_memory_is_too_short_for_is_tried_again_alone(
    deaths: int,
    status: int,
    tmp_path: Path,
    calls: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    make_tree(tmp_path / "in", 3)
    write_volume(image(tmp_path, 1), deadly(SMALL))
    monkeypatch.setenv("FETA_TEST_DEATHS", str(deaths))
    assert go(tmp_path, "out", 2) == status
    assert len(list(calls.glob("death-*"))) == min(deaths, 2)
    written, said = log(tmp_path, "out"), capfd.readouterr().err
    assert written["warnings"] == ["memory was short with 2 cases at once: 1 from then on"]
    outcomes = [case["status"] for case in written["cases"].values()]
    assert outcomes == ["done" if status == 0 else "failed", "done", "done"]
    assert said.count("error: ") == status
    assert "Traceback" not in said
    assert all("memory was short; free some" in failure for failure in written["failures"].values())


class BothDie:
    """In place of ``Pool``: two processes that come to nothing one right after the other, each in its first case."""

    outcomes: ClassVar[list[Exception]] = []

    def __init__(self, work: CaseWork, size: int, _threads: int) -> None:
        self.work, self.size = work, size
        self.tasks: list[tuple[Any, CaseJob]] = []
        self.deaths = list(self.outcomes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def busy(self) -> int:
        return len(self.tasks)

    @property
    def full(self) -> bool:
        return self.busy >= self.size

    def give(self, key: Any, task: CaseJob) -> None:
        self.tasks.append((key, task))

    def next(self) -> tuple[Any, Done | Exception]:
        key, task = self.tasks.pop(0)
        return key, self.deaths.pop(0) if self.deaths else self.work(task)

    def shrink(self) -> None:
        self.size = max(1, self.busy)


@pytest.mark.parametrize("second", [DiedError(NO_THREAD), ModelError(RuntimeError("can't start new thread"))])
def test_all_that_were_short_together_are_tried_again(
    second: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "in", 2)
    monkeypatch.setattr(BothDie, "outcomes", [DiedError(-signal.SIGKILL), second])
    monkeypatch.setattr("inference.processes.pool.Pool", BothDie)
    assert go(tmp_path, "out", 2) == 0
    assert log(tmp_path, "out")["warnings"] == ["memory was short with 2 cases at once: 1 from then on"]


def test_networks_that_cannot_be_loaded_end_the_run_wherever(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 2)
    with pytest.raises(FetaError, match="sha256"):
        go(tmp_path, "out", 2, loader=broken)


def broken(_settings: Settings) -> Any:
    raise FetaError("weights", "sha256 differs")


def test_networks_that_memory_has_no_room_for_end_the_run_by_one_line(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 1)
    with pytest.raises(HostError, match="can't be loaded; not enough memory"):
        go(tmp_path, "out", 1, loader=too_large)


def too_large(_settings: Settings) -> Any:
    raise MemoryError


def test_a_single_case_that_is_left_is_done_in_this_process(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 3)
    model = Counting()
    assert go(tmp_path, "out", 1, model.load) == 0
    next((tmp_path / "out").rglob("sub-002*_biom.csv")).unlink()
    assert go(tmp_path, "out", 3, model.load) == 0
    assert model.calls == 4


def test_run_json_keeps_the_order_of_the_cases(tmp_path: Path) -> None:
    written = RunLog(tmp_path / "run.json", {}, titles=["a", "b", "c"])
    for title in ("c", "a", "a file that is none", "b"):
        written.add(title, status="done")
    assert list(json.loads((tmp_path / "run.json").read_text())["cases"]) == ["a file that is none", "a", "b", "c"]


def settings(tmp_path: Path, **changed: Any) -> Settings:
    return Settings(make_weights(tmp_path / "weights"), **{"workers": None, **changed})


def test_one_for_each_core_or_for_two_where_cases_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "allowed_threads", lambda: 8)
    monkeypatch.setattr(at_once, "_GPUS", ())
    assert [most_at_once(settings(tmp_path), cases) for cases in (1, 3, 15, 16)] == [1, 3, 4, 8]
    monkeypatch.setattr(at_once, "allowed_threads", lambda: 2)
    assert [most_at_once(settings(tmp_path), cases) for cases in (2, 3, 4)] == [1, 1, 2]
    assert [most_at_once(settings(tmp_path, workers=5), cases) for cases in (1, 20)] == [1, 5]


def test_a_gpu_is_one_process_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "allowed_threads", lambda: 8)
    monkeypatch.setattr(at_once, "_GPUS", (str(tmp_path),))
    found = {device: most_at_once(settings(tmp_path, device=device), 20) for device in ("auto", "cuda", "cpu")}
    assert found == {"auto": 1, "cuda": 1, "cpu": 8}


def test_an_nnunet_has_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "allowed_threads", lambda: 8)
    monkeypatch.setattr(at_once, "_GPUS", ())
    monkeypatch.setattr(at_once, "find_results", lambda _weights: object())
    assert most_at_once(settings(tmp_path), 20) == 1


class ProcessesError(Exception):
    """Several processes would be started: how many, and with how many threads."""


def refuse(_work: object, size: int, threads: int) -> None:
    raise ProcessesError(size, threads)


@pytest.mark.parametrize(("gigabytes", "expected"), [(1, None), (4.1, None), (7, (3, 3)), (16, (4, 2))])
def test_memory_says_how_many(
    gigabytes: float,
    expected: tuple[int, int] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Small volumes need 2.1 GB each: two don't fit into 4.1, and are then done one after the other in this process.

    No more are begun than are done at once, since a case's time is told from there.
    """
    monkeypatch.setattr(at_once, "allowed_threads", lambda: 9)
    monkeypatch.setattr(at_once, "_GPUS", ())
    monkeypatch.setattr(at_once, "available_memory", lambda: int(gigabytes * 1e9))
    monkeypatch.setattr("inference.processes.pool.Pool", refuse)
    make_tree(tmp_path / "in", 4)
    model = Counting()
    if expected is None:
        assert go(tmp_path, "out", None, model.load) == 0
        assert model.calls == 4
    else:
        with pytest.raises(ProcessesError) as size_and_threads:
            go(tmp_path, "out", None, model.load)
        assert size_and_threads.value.args == expected
        assert capsys.readouterr().err.count(": started") == expected[0]


def test_no_case_at_once_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 1)
    with pytest.raises(FetaError, match="--workers"):
        go(tmp_path, "out", 0)
