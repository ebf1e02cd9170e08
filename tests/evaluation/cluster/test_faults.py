"""Workers that can't do their part, or are not fit for it: told in a line, and no team is charged with it."""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation.cluster import machines, remote
from evaluation.cluster.connection import Address
from evaluation.cluster.facts import Question, _gpu_problem, clock_warnings, places_of, twice_given, unfit
from evaluation.cluster.forecast import forecast
from evaluation.cluster.gpus import gpu_ids
from evaluation.cluster.machines import Cluster
from evaluation.cluster.remote import process_label
from evaluation.cluster.request import WorkerFacts, code, packages
from evaluation.harness.case_state import CaseRow, CaseState
from evaluation.harness.container_spec import MB
from evaluation.harness.engine_offers import EngineOffers, Wall
from evaluation.harness.roster import Convention, ResourceLimits, Roster, Team
from evaluation.harness.run import run
from evaluation.harness.state import RunState
from feta.errors import FetaError
from feta.lock import locked
from tests.support.made_up_engine import MadeUpEngine
from tests.support.small_brains import write_truth

ROSTER = Roster((Team("a", "good:1"), Team("b", "good:2")))
FIT = WorkerFacts("host", code(), packages(), slots=4, free=1 << 40)
QUESTION = Question(("good:1", ROSTER.helper_image), False, None)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_truth(tmp_path_factory.mktemp("data") / "input", 2)


def run_there(cohort: Path, output: Path, address: Address, roster: Roster = ROSTER) -> list[CaseRow]:
    return run(roster, cohort, output, lambda rows: None, machines=partial(Cluster, address))


def test_a_worker_that_is_fit_is() -> None:
    assert unfit(FIT, QUESTION, ROSTER) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "another"}, "another release of the evaluator"),
        ({"packages": {**packages(), "docker": "1.0"}}, "has docker 1.0, not"),
        ({"missing": (ROSTER.helper_image,)}, "lacks the helper's image"),
        ({"problem": "container engine: doesn't answer"}, "doesn't answer"),
        ({"resources": {"MEMORY": 1024 * MB}}, "offers 1024 MB, and a container may use 16384"),
        ({"free": 5 * MB}, "has 5 MB free on the disk .* may take 1024"),
        ({"offers": EngineOffers(no_limits=frozenset({Wall.SWAP}), engine="X")}, "X can't keep .* promises: swap"),
    ],
)
def test_a_worker_that_is_not_fit_is_told_of(change: dict[str, Any], said: str) -> None:
    found = unfit(replace(FIT, **change), QUESTION, ROSTER)
    assert len(found.splitlines()) == 1
    assert re.search(said, found)


def test_a_folder_that_is_not_shared_is_told_of(tmp_path: Path) -> None:
    asked = replace(QUESTION, shared=tmp_path / "out" / "work" / "seen-1")
    assert f"doesn't see {tmp_path / 'out'}; share it" in unfit(replace(FIT, sees_input=False), asked, ROSTER)
    assert unfit(replace(FIT, sees_input=True), asked, ROSTER) == ""


@pytest.mark.parametrize(
    ("resources", "gpus", "gpu", "places"),
    [
        ({}, (), False, 4),
        ({"GPU": 1.0}, ("0",), True, 1),
        ({"GPU": 1.0}, ("0",), False, 4),
        ({"MEMORY": 40_000.0 * MB}, (), False, 2),
        ({"MEMORY": 40_000.0 * MB, "GPU": 1.0}, ("3",), True, 1),
    ],
)
def test_a_worker_has_as_many_containers_as_its_scarcest_resource_allows(
    resources: Mapping[str, float], gpus: tuple[str, ...], gpu: bool, places: int
) -> None:
    assert places_of(replace(FIT, resources=resources, gpus=gpus), gpu=gpu, memory_mb=16384) == places


@pytest.mark.parametrize(
    ("count", "visible", "of_job", "ids"),
    [
        (2, None, None, ("0", "1")),
        (1, "3", None, ("3",)),
        (1, "3,5", None, ("3",)),
        (2, "GPU-aa, GPU-bb", None, ("GPU-aa", "GPU-bb")),
        (2, "7", None, ("7",)),
        (0, "0,1", None, ()),
        (1, "0", "3", ("3",)),  # a job that sees its own devices alone counts them from 0
        (2, "0,1", "1,2", ("1", "2")),
        (1, "1", "1,2", ("1",)),  # one that sees all, the first of its own
        (1, "2", "1,2", ("2",)),  # and the second
        (1, None, "5", ("5",)),
        (1, "GPU-aa", "5", ("GPU-aa",)),
        (1, "9", "4", ("4",)),
    ],
)
def test_a_worker_gives_the_gpus_that_it_may_see(
    count: int, visible: str | None, of_job: str | None, ids: tuple[str, ...]
) -> None:
    """By CUDA_VISIBLE_DEVICES and SLURM_JOB_GPUS, which Slurm's manual of sbatch says to be the machine's numbers."""
    assert gpu_ids(count, visible, of_job) == ids


def started_with(gpus: float, folder: Path) -> Any:
    """A dask worker, as far as it is asked for its GPUs."""
    state = SimpleNamespace(total_resources={"GPU": gpus}, nthreads=1)
    return SimpleNamespace(state=state, local_directory=str(folder), address="tls://a")


def test_a_worker_with_more_gpus_than_it_may_see_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask would give it two jobs, of which one waited for a GPU until it was in vain."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert 'with --resources "GPU=2", and may see 1' in _gpu_problem(MadeUpEngine(), "h", started_with(2, tmp_path))
    assert "offers no GPU" in _gpu_problem(MadeUpEngine(), "h", started_with(0, tmp_path))
    assert _gpu_problem(MadeUpEngine(), "h", started_with(1, tmp_path)) == ""


def test_what_looks_for_a_gpu_is_removed_with_a_worker_that_is_killed_meanwhile(tmp_path: Path) -> None:
    started: list[Mapping[str, str]] = []

    class Watched(MadeUpEngine):
        def start(self, arguments: dict[str, Any]) -> str:
            started.append(arguments["labels"])
            return super().start(arguments)

    assert _gpu_problem(Watched(), "h", started_with(1, tmp_path)) == ""
    assert started == [process_label(started_with(1, tmp_path))]
    assert all(started[0].values())


def test_a_folder_that_a_worker_may_not_look_into_is_told_of(
    cohort: Path, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its account isn't that of the call."""
    is_file = Path.is_file

    def closed(path: Path) -> bool:
        if path.name.startswith("seen-"):
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(FetaError, match=r"can't look into .*out/work/seen-.* \(Permission denied\); run it as the acc"):
        run_there(cohort, tmp_path / "out", address)


def test_one_gpu_of_two_workers_is_refused() -> None:
    one = replace(FIT, gpus=("0",))
    assert "two workers give GPU 0" in twice_given({"tls://a": one, "tls://b": one})
    assert twice_given({"tls://a": one, "tls://b": replace(one, gpus=("1",))}) == ""
    assert twice_given({"tls://a": one, "tls://b": replace(one, host="other")}) == ""


@pytest.mark.parametrize(
    ("clock", "said"), [(1000.0, None), (1035.0, None), (940.0, "60 s behind"), (1100.0, "65 s ahead")]
)
def test_a_clock_that_is_off_is_told_of(clock: float, said: str | None) -> None:
    lines = clock_warnings({"tls://a": replace(FIT, clock=clock)}, 1000.0, 1035.0)
    assert lines == [] if said is None else said in lines[0]


def test_a_worker_whose_disk_is_full_hands_its_jobs_to_the_others(
    cohort: Path, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from distributed import get_worker

    full: list[str] = []
    do = remote._do

    def on_a_full_disk(*arguments: Any) -> Any:
        name = get_worker().address
        if not full or full == [name]:
            full[:] = [name]
            raise OSError(28, "No space left on device", tempfile.gettempdir())
        return do(*arguments)

    monkeypatch.setattr(remote, "_do", on_a_full_disk)
    rows = run_there(cohort, tmp_path / "out", address)
    assert {row.state for row in rows} == {CaseState.DONE}
    assert any("No space left on device; it is given no job" in line for line in caplog.messages)
    assert (MadeUpEngine.containers, MadeUpEngine.volumes) == ({}, {})


def test_what_a_worker_has_no_word_for_is_a_line_too(
    cohort: Path, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours on one machine: the others do its jobs."""
    do, first = remote._do, list[int]()

    def stumbles(*arguments: Any) -> Any:
        if not first:
            first.append(1)
            raise AttributeError("'Engine' object has no attribute 'load'")
        return do(*arguments)

    monkeypatch.setattr(remote, "_do", stumbles)
    assert {row.state for row in run_there(cohort, tmp_path / "out", address)} == {CaseState.DONE}
    assert any("AttributeError: 'Engine' object has no attribute 'load'; see its log" in m for m in caplog.messages)


def test_a_worker_s_faults_are_past_when_it_has_done_a_job() -> None:
    cluster = object.__new__(Cluster)
    cluster.fit, cluster._unfit, cluster._lines, cluster._faults = {}, {}, {}, Counter()
    cluster._hosts = {"tls://a": "host"}
    for _ in range(2 * machines._MOST_FAULTS):
        cluster.fault("tls://a", "no engine")
        cluster.did("tls://a")
    cluster.fault("tls://a", "no engine")
    assert cluster._unfit["tls://a"] < float("inf")
    assert cluster.last_line == "host: no engine"


def test_where_every_engine_is_gone_the_run_ends_and_can_go_on(
    cohort: Path, tmp_path: Path, address: Address, engine: type[MadeUpEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.cluster.dispatch._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("evaluation.cluster.dispatch._SECONDS_BETWEEN_LOOKS", 0.2)

    def dies(labels: Mapping[str, str]) -> None:
        engine.problem = "doesn't answer"

    engine.on_start = staticmethod(dies)
    with pytest.raises(FetaError, match="continues where it stopped"):
        run_there(cohort, tmp_path / "out", address)
    engine.problem, engine.on_start = "", None
    assert {row.state for row in run_there(cohort, tmp_path / "out", address)} == {CaseState.DONE}


def test_a_team_s_image_that_no_worker_has_is_named(
    cohort: Path, tmp_path: Path, address: Address, engine: type[MadeUpEngine]
) -> None:
    engine.missing.add("good:2")
    with pytest.raises(FetaError, match="good:2: no worker has such an image"):
        run_there(cohort, tmp_path / "out", address)


def test_images_that_differ_between_hosts_are_refused(tmp_path: Path) -> None:
    cluster = object.__new__(Cluster)
    cluster.fit = {
        name: replace(FIT, host=name, images={"good:1": f"sha256:{name}"}) for name in ("one", "other")
    }  # fmt: skip
    with pytest.raises(FetaError, match="is sha256:one on one and sha256:other on other"):
        cluster.image_id("good:1")


@pytest.fixture
def asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that fail are asked again at once, however often."""
    monkeypatch.setattr(machines, "_SECONDS_TO_MEND", 0.0)
    monkeypatch.setattr(machines, "_MOST_FAULTS", 99)
    monkeypatch.setattr("evaluation.cluster.dispatch._SECONDS_BETWEEN_LOOKS", 0.2)


@pytest.mark.usefixtures("asked_again")
def test_a_job_that_is_in_vain_everywhere_ends_the_run(
    cohort: Path, tmp_path: Path, address: Address, engine: type[MadeUpEngine]
) -> None:
    """A worker that fails is asked again; that must not go on for ever."""
    roster = Roster(ROSTER.teams[:1], limits=ResourceLimits())

    def in_vain(labels: Mapping[str, str]) -> None:
        raise FetaError("container engine", "has lost its way")

    engine.on_start = staticmethod(in_vain)
    with pytest.raises(FetaError, match="was in vain 4 times"):
        run_there(cohort, tmp_path / "out", address, roster)


@pytest.mark.usefixtures("asked_again")
def test_one_team_s_job_in_vain_everywhere_keeps_no_other_from_its_end(
    cohort: Path, tmp_path: Path, address: Address, engine: type[MadeUpEngine]
) -> None:
    """Results too large for every worker, say; called again when that was mended, the rest is done."""

    def in_vain(labels: Mapping[str, str]) -> None:
        if labels["feta.team"] == "a":
            raise FetaError("container engine", "has lost its way")

    engine.on_start = staticmethod(in_vain)
    with pytest.raises(FetaError, match=r"a: .* was in vain 4 times"):
        run_there(cohort, tmp_path / "out", address)
    states = {(row.team, row.state) for row in RunState(tmp_path / "out" / "state.sqlite").rows()}
    assert states == {("a", CaseState.RUNNING), ("b", CaseState.DONE)}
    engine.on_start = None
    assert {row.state for row in run_there(cohort, tmp_path / "out", address)} == {CaseState.DONE}


def test_an_input_that_is_too_large_to_be_sent_is_told_of_before_the_first_container(
    cohort: Path, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the second team's call for all cases; each case alone could be sent."""
    roster = Roster((ROSTER.teams[0], Team("b", "good:2", Convention.FOLDER_ALL)))
    sizes = [path.stat().st_size for path in cohort.rglob("*_T2w.nii.gz")]
    monkeypatch.setattr("evaluation.cluster.lanes.MOST_SENT_MB", (sum(sizes) - 1) / MB)
    there = partial(Cluster, address, send=True)
    said = "--send: the input of a container of b has "
    assert any(line.startswith(said) for line in forecast(roster, cohort, tmp_path / "out", there).problems)
    with pytest.raises(FetaError, match=said):
        run(roster, cohort, tmp_path / "out", lambda rows: None, machines=there)
    assert MadeUpEngine.started == []


def test_two_runs_into_one_folder_are_refused(cohort: Path, tmp_path: Path, address: Address) -> None:
    with locked(tmp_path / "out" / "run.lock"), pytest.raises(FetaError, match="another run is at work"):
        run_there(cohort, tmp_path / "out", address)


def test_a_worker_that_can_t_import_the_evaluator_is_told_of(
    cohort: Path, tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def missing(question: Question, dask_worker: Any = None) -> WorkerFacts:
        raise ModuleNotFoundError("No module named 'evaluation.cluster'")

    monkeypatch.setattr(machines, "ask", missing)
    caplog.set_level(logging.WARNING)
    with pytest.raises(FetaError, match="can't run the evaluator"):
        run_there(cohort, tmp_path / "out", address)
