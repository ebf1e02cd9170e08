"""How a job ends where the engine does what real ones do rarely."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from evaluation.harness.case_state import CaseState
from evaluation.harness.context import RunContext, RunFolders, log_path
from evaluation.harness.engine import Ended, Engine
from evaluation.harness.engine_errors import GoneError, RefusedError
from evaluation.harness.job import StoppedError, Worker, run_job
from evaluation.harness.roster import ResourceLimits
from evaluation.harness.staging import stage
from evaluation.harness.volumes import ResultVolumes
from feta.errors import FetaError
from tests.support.made_up_roster import first_job


class MadeUpEngine:
    """Keeps account of what there is; containers end at once, with an empty folder of results."""

    def __init__(self, error: Exception | None = None, slow: bool = False, results: int = 0) -> None:
        self.error, self.slow, self.results = error, slow, results
        self.refuses_ours = self.image_gone = self.holder_ended = False
        self.refuses_volumes = self.refuses_results = False
        #: How often the submission's container is refused, or killed from outside, before it is well.
        self.refusals, self.kills, self.status = 0, 0, 0
        self.containers: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.declared: list[str] = []
        self.killed = False
        self.looks = 0

    def declared_volumes(self, image_id: str) -> list[str]:
        return self.declared if image_id == "image" else []

    def make_volume(self, arguments: dict[str, Any]) -> None:
        if self.refuses_volumes:
            raise RefusedError("no space left on device")
        self.volumes[arguments["name"]] = arguments

    def start(self, arguments: dict[str, Any]) -> str:
        if self.error and arguments["image"] == "image":
            raise self.error
        if self.refusals and arguments["image"] == "image":
            self.refusals -= 1
            raise RefusedError("cgroup: device or resource busy")
        if self.refuses_ours and arguments["image"] == "helper" and "tmpfs" in arguments:
            raise RefusedError("no space left on device")
        self.started.append(arguments)
        self.containers[str(len(self.started))] = arguments
        return str(len(self.started))

    def image_id(self, name: str) -> str:
        if self.image_gone:
            raise GoneError(name, "is gone")
        return name

    def runs(self, container: str) -> bool:
        return not self.holder_ended and container in self.containers

    def wait(self, container: str, seconds: float) -> bool:
        return self.killed or not self.slow

    def load(self, container: str) -> tuple[int, int] | None:
        self.looks += 1
        if self.looks == 2:
            raise RefusedError("no such container")
        return (1, 1000 * self.looks) if self.looks < 5 else None

    def kill(self, container: str) -> None:
        self.killed = True

    def usage(self, container: str) -> str:
        return "3 processes, 4 MB"

    def ended(self, container: str) -> Ended:
        if self.kills:
            self.kills -= 1
            return Ended(137, False, 5.0)
        return Ended(137 if self.killed else self.status, False, 5.0)

    def log(self, container: str) -> bytes:
        return b"SECRET" * 1000

    def remove(self, container: str) -> None:
        self.containers.pop(container)

    def fetch(self, container: str, folder: str) -> Iterator[bytes]:
        if self.refuses_results:
            raise RefusedError("can't be archived")
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            entry = tarfile.TarInfo("held/x_dseg.nii.gz")
            entry.size = self.results
            tar.addfile(entry, io.BytesIO(bytes(self.results)))
        yield data.getvalue()

    def put(self, container: str, folder: str, archive: Any) -> None:
        assert folder.startswith("/held/")

    def remove_labelled(self, label: str) -> int:
        for things in (self.containers, self.volumes):
            for name in [n for n, a in things.items() if label in {f"{k}={v}" for k, v in a["labels"].items()}]:
                del things[name]
        return 0


def context_of(tmp_path: Path, job: Any) -> RunContext:
    folders = RunFolders(tmp_path / "out")
    (folders.submissions / "a team").mkdir(parents=True)
    stage(job.cases, folders.staged)
    return RunContext("run", folders, ResourceLimits(log_kb=1, output_mb=200), {"a team": "image"}, "helper", job.cases)


def run(tmp_path: Path, engine: MadeUpEngine, stop: Event | None = None, jobs: int = 1, **exceptions: Any) -> CaseState:
    job = first_job(tmp_path / "data", "folder", **exceptions)
    context, own = context_of(tmp_path, job), cast(Engine, engine)
    with ResultVolumes(own, context, job.team, jobs) as volumes:
        worker = Worker(own, context, volumes, None, stop or Event())
        for _ in range(jobs):
            (row,) = run_job(worker, job, 9.0)
    assert (engine.containers, engine.volumes) == ({}, {})
    return row.state


def log(tmp_path: Path) -> str:
    return log_path(RunFolders(tmp_path / "out"), first_job(tmp_path / "data", "folder")).read_text()


def test_a_container_that_the_engine_refuses(tmp_path: Path) -> None:
    assert run(tmp_path, MadeUpEngine(RefusedError("no such runtime"))) is CaseState.NOT_STARTED
    assert "no such runtime" in log(tmp_path)


def test_an_engine_that_is_gone_is_nobodys_fault(tmp_path: Path) -> None:
    with pytest.raises(FetaError, match="gone"):
        run(tmp_path, MadeUpEngine(FetaError("engine", "is gone")))
    assert not (tmp_path / "out" / "logs").exists()


@pytest.mark.parametrize(
    ("fault", "refusal", "said"),
    [
        ("image_gone", RefusedError("no such image"), "is gone"),
        ("refuses_ours", RefusedError("no space"), "starts no container of ours"),
        ("holder_ended", None, "held results has ended"),
        ("refuses_volumes", None, "makes no volumes"),
    ],
)
def test_what_the_engine_did_is_not_recorded(
    tmp_path: Path, fault: str, refusal: RefusedError | None, said: str
) -> None:
    """An image that was removed, a full disk, an engine that was restarted: the case is to be done again."""
    engine = MadeUpEngine(refusal)
    setattr(engine, fault, True)
    with pytest.raises(FetaError, match=said):
        run(tmp_path, engine)
    assert not (tmp_path / "out" / "logs").exists()
    assert (engine.containers, engine.volumes) == ({}, {})


@pytest.mark.parametrize("times", ["refusals", "kills"])
def test_what_happened_once_is_done_again_and_forgotten(tmp_path: Path, times: str) -> None:
    """A refusal that passes, a container that somebody killed: neither is the team's."""
    engine = MadeUpEngine()
    setattr(engine, times, 1)
    assert run(tmp_path, engine) is CaseState.NO_RESULT
    assert "done again, to be sure" in log(tmp_path)


@pytest.mark.parametrize(
    ("times", "state"), [("refusals", CaseState.NOT_STARTED), ("kills", CaseState.CRASHED)], ids=str
)
def test_what_happens_twice_where_others_start_is_the_teams(tmp_path: Path, times: str, state: CaseState) -> None:
    engine = MadeUpEngine()
    setattr(engine, times, 2)
    assert run(tmp_path, engine) is state


def test_others_are_started_with_all_that_the_team_is_but_its_image(tmp_path: Path) -> None:
    engine = MadeUpEngine(RefusedError("no such runtime"))
    run(tmp_path, engine)
    probe = next(a for a in engine.started if a["image"] == "helper" and "tmpfs" in a)
    assert [mount["Target"] for mount in probe["mounts"]] == ["/input", "/output"]
    assert (probe["entrypoint"], probe["command"]) == (["sleep"], ["infinity"])
    assert probe["mem_limit"] == ResourceLimits().memory_mb << 20


def test_what_an_image_asks_for_is_not_asked_for_in_others_places(tmp_path: Path) -> None:
    """An image that declares `VOLUME /sbin` can't start, and must not keep others from it."""
    engine = MadeUpEngine(RefusedError("exec: no such file"))
    engine.declared = ["/sbin"]
    assert run(tmp_path, engine) is CaseState.NOT_STARTED
    probes = [a for a in engine.started if a["image"] == "helper" and "tmpfs" in a]
    assert [[mount["Target"] for mount in probe["mounts"]] for probe in probes] == [["/input", "/output"]] * 2


def test_an_image_that_declares_hundreds_of_folders_is_not_started(tmp_path: Path) -> None:
    engine = MadeUpEngine()
    engine.declared = [f"/{number}" for number in range(300)]
    assert run(tmp_path, engine) is CaseState.NOT_STARTED
    assert "300 folders to be written to, 32 at most" in log(tmp_path)


def test_folders_of_a_teams_own_are_volumes_that_go_with_its_container(tmp_path: Path) -> None:
    engine = MadeUpEngine()
    engine.declared = ["/data"]
    run(tmp_path, engine, jobs=2, scratch=("/workspace/cache",))
    containers = [a for a in engine.started if a["image"] == "image"]
    own = [{m["Target"]: m["Source"] for m in a["mounts"] if m["Type"] == "volume"} for a in containers]
    assert [set(folders) for folders in own] == [{"/output", "/workspace/cache", "/data"}] * 2
    assert len({source for folders in own for source in folders.values()}) == 6


def test_results_that_the_engine_will_not_give_are_asked_for_twice(tmp_path: Path) -> None:
    engine = MadeUpEngine()
    engine.refuses_results = True
    assert run(tmp_path, engine) is CaseState.NO_RESULT
    assert len([a for a in engine.started if a["image"] == "image"]) == 2


@pytest.mark.parametrize("status", [1, 3, 127, 255])
def test_an_error_of_its_own_is_not_doubted(tmp_path: Path, status: int) -> None:
    engine = MadeUpEngine()
    engine.status = status
    assert run(tmp_path, engine) is CaseState.CRASHED
    assert len([a for a in engine.started if a["image"] == "image"]) == 1


def test_what_runs_too_long_is_killed(tmp_path: Path) -> None:
    engine = MadeUpEngine(slow=True)
    assert run(tmp_path, engine) is CaseState.TIMED_OUT
    assert engine.killed
    assert "3 processes, 4 MB" in log(tmp_path)


def test_the_memory_is_looked_at_as_long_as_it_runs(tmp_path: Path) -> None:
    """After an eighth of a second, then less often, at last once a second; a look that fails is none."""
    engine, job = MadeUpEngine(slow=True), first_job(tmp_path / "data", "folder")
    context = context_of(tmp_path, job)
    with ResultVolumes(cast(Engine, engine), context, job.team, 1) as volumes:
        (row,) = run_job(Worker(cast(Engine, engine), context, volumes, None, Event()), job, 9.0)
    assert (row.state, row.memory) == (CaseState.TIMED_OUT, 4000)
    assert engine.looks == 3 + 8


def test_a_run_that_is_stopped_records_nothing(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(StoppedError):
        run(tmp_path, MadeUpEngine(), stop)
    assert not (tmp_path / "out" / "logs").exists()


def test_the_log_is_cut(tmp_path: Path) -> None:
    assert run(tmp_path, MadeUpEngine()) is CaseState.NO_RESULT
    assert log(tmp_path).count("SECRET") == 1024 // len("SECRET")


@pytest.mark.parametrize(("results", "helpers"), [(0, 2), (65 << 20, 9)])
def test_volumes_are_held_together_unless_they_are_full(tmp_path: Path, results: int, helpers: int) -> None:
    engine = MadeUpEngine(results=results)
    run(tmp_path, engine, jobs=9)
    assert len([a for a in engine.started if a["image"] == "helper"]) == helpers
    used = [a["mounts"][-1]["Source"] for a in engine.started if a["image"] == "image"]
    assert len(set(used)) == 9


def test_by_exception_the_input_is_a_copy(tmp_path: Path) -> None:
    engine = MadeUpEngine()
    run(tmp_path, engine, writable_input=True)
    (container,) = [a for a in engine.started if a["image"] == "image"]
    assert [(m["Type"], m["Target"]) for m in container["mounts"]] == [("volume", "/input"), ("volume", "/output")]
