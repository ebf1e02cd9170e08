"""Workers that come while a run is under way: they get what the others get, or nothing, and are on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from evaluation.cluster import machines
from evaluation.cluster.connection import Address
from evaluation.cluster.dispatch import Dispatcher, _Sent
from evaluation.cluster.facts import Question, differs, other_images
from evaluation.cluster.machines import Cluster
from evaluation.cluster.request import WorkerFacts, code, packages
from evaluation.harness.container_spec import MB
from evaluation.harness.context import RunContext, RunFolders
from evaluation.harness.engine_offers import EngineOffers, Wall
from evaluation.harness.record import ENCRYPTED
from evaluation.harness.roster import ResourceLimits, Roster, Team
from evaluation.harness.state import RunState
from feta.errors import FetaError

ROSTER = Roster((Team("a", "good:1"),), gpus=("0",))
BEGAN = RunContext("run", RunFolders(Path()), ResourceLimits(cpus=4, memory_mb=1024), {"a": "id-1"}, "id-h", ())
FIT = WorkerFacts("host", code(), packages(), images={ROSTER.helper_image: "id-h"}, slots=1, free=1 << 40)
LIKE = WorkerFacts("host", images={ROSTER.helper_image: "id-h", "good:1": "id-1"}, offers=EngineOffers(cpus=8), slots=2)


def cluster(fit: dict[str, WorkerFacts], context: RunContext | None = BEGAN) -> Any:
    """A cluster without a scheduler."""
    made: Any = object.__new__(Cluster)
    made.way, made._roster, made._context, made._question = ENCRYPTED, ROSTER, context, Question((), True, None)
    made.fit, made._unfit, made._lines, made._faults = fit, {}, {}, Counter()
    made._hosts, made._labels = {name: facts.host for name, facts in fit.items()}, {}
    made._asked, made._answers = set(), SimpleQueue()
    return made


def dispatcher(of: Any, state: Any = None) -> Any:
    return Dispatcher(of, ROSTER, BEGAN, state, lambda rows: None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"offers": EngineOffers(cpus=2)}, "has 2 processors, and each container of this run gets 4"),
        ({"images": {ROSTER.helper_image: "id-x"}}, f"has another {ROSTER.helper_image} than the run began with"),
    ],
)
def test_a_worker_that_can_t_give_the_same_is_told_of(change: dict[str, Any], said: str) -> None:
    """Its engine would refuse so many processors; four such workers ended the run."""
    assert said in differs(replace(LIKE, **change), ROSTER, BEGAN)
    assert bool(differs(replace(LIKE, **change), ROSTER, BEGAN)) is bool(said)


def test_an_image_by_another_id_is_told_of() -> None:
    assert other_images(LIKE, ROSTER, BEGAN) == ()
    assert other_images(replace(LIKE, images={"good:1": "id-2"}), ROSTER, BEGAN) == ("good:1",)
    assert other_images(replace(LIKE, images={}), ROSTER, BEGAN) == ()  # it is missing, which is told of as that


def test_the_engine_of_a_worker_that_came_later_is_on_record(tmp_path: Path) -> None:
    """Also of one on the same machine; the report says what wall it doesn't keep."""
    state = RunState(tmp_path / "state.sqlite")
    state.create("run", ROSTER, {"a": "id-1"}, ["case"], "")
    there = cluster({"tls://a": LIKE})
    running = dispatcher(there, state)
    running._note_new()
    assert state.places() == []  # what the run began with is noted by the run
    there.fit["tls://b"] = replace(LIKE, offers=EngineOffers(engine="Podman", no_limits=frozenset({Wall.SWAP})))
    running._note_new()
    assert state.places() == [{"engine": "Podman", "lacks": ["swap"], "way": ENCRYPTED}]


def test_one_gpu_of_two_workers_ends_no_run_that_is_under_way() -> None:
    """A machine that was started again is on the scheduler's list twice; at the beginning it is a fault of the call."""
    facts = replace(LIKE, gpus=("0",))
    for context in (None, BEGAN):
        there = cluster({"tls://a": facts, "tls://b": facts, "tls://c": replace(facts, host="other")}, context)
        if context is None:
            with pytest.raises(FetaError, match="two workers give GPU 0"):
                there._refuse_twice_given({"tls://b": facts})
        else:
            there._refuse_twice_given({"tls://b": facts, "tls://c": there.fit["tls://c"]})
            assert set(there.fit) == {"tls://a", "tls://c"}
            assert set(there._unfit) == {"tls://b"}


def test_a_worker_whose_engine_hangs_is_waited_for_by_nobody() -> None:
    """Docker's answer can take minutes; results come back and jobs go out meanwhile."""
    hangs, asked, said = Event(), list[str](), Event()

    def run(function: Any, question: Question, workers: list[str], on_error: str) -> dict[str, WorkerFacts]:
        asked.extend(workers)
        if workers == ["tls://hangs"]:
            assert hangs.wait(60)
        said.set()
        return {name: replace(FIT, host=name) for name in workers}

    there = cluster({})
    there._question = Question((), False, None)
    everyone = {"tls://hangs": 1, "tls://new": 1}
    there.client = SimpleNamespace(run=run, status="running", nthreads=lambda: everyone)
    for _ in range(3):
        there.refresh()
        assert said.wait(60)
        while not there.fit:
            there.refresh()
    assert (set(there.fit), sorted(asked)) == ({"tls://new"}, ["tls://hangs", "tls://new"])
    hangs.set()
    while len(there.fit) < 2:
        there.refresh()
    del everyone["tls://hangs"]
    there.refresh()
    assert set(there.fit) == {"tls://new"}


@pytest.mark.parametrize(("patience", "fit"), [(600.0, True), (0.0, False)])
def test_where_the_first_worker_is_not_fit_others_may_be(
    monkeypatch: pytest.MonkeyPatch, patience: float, fit: bool
) -> None:
    """As jobs of Slurm begin one after another."""
    monkeypatch.setattr(machines, "_SECONDS_TO_BE_FIT", patience)
    monkeypatch.setattr(machines, "_SECONDS_BETWEEN_LOOKS", 0.0)
    facts = {"tls://bad": replace(FIT, problem="container engine: doesn't answer"), "tls://good": FIT}
    looks = iter(range(1, 100))

    def run(function: Any, question: Question, workers: list[str], on_error: str) -> dict[str, WorkerFacts]:
        return {name: facts[name] for name in workers}

    there = cluster({}, None)
    there._question = Question((), False, None)
    there.client = SimpleNamespace(run=run, status="running", nthreads=lambda: list(facts)[: next(looks)])
    if fit:
        there._wait("tls://h:1")
        assert set(there.fit) == {"tls://good"}
    else:
        with pytest.raises(FetaError, match="none of its workers is fit: host: container engine: doesn't answer"):
            there._wait("tls://h:1")


def test_what_a_killed_worker_left_is_removed_by_the_next_on_its_machine() -> None:
    """It may hold the GPU that the next one gives; what living ones have is left alone."""
    asked: list[tuple[tuple[str, ...], list[str]]] = []

    def run(function: Any, labels: tuple[str, ...], workers: list[str], on_error: str) -> None:
        asked.append((labels, workers))

    new, other = LIKE, replace(LIKE, host="other")
    there = cluster({"tls://new": new, "tls://living": LIKE})
    there.client = SimpleNamespace(run=run, status="running")
    there._hosts |= {"tls://killed": "host", "tls://elsewhere": "other"}
    there._labels = {name: f"feta.process={name[6:]}" for name in there._hosts}
    there._tidy({"tls://new": new})
    assert asked == [(("feta.process=killed",), ["tls://new"])]
    there.fit["tls://third"] = other
    there._tidy({"tls://third": other})
    there._tidy({"tls://new": new})
    assert asked[1:] == [(("feta.process=elsewhere",), ["tls://third"])]


def test_no_worker_is_given_more_than_its_memory_where_others_don_t_count_theirs() -> None:
    """Dask counts a job's memory on all workers that it may go to, or on none."""
    small = replace(LIKE, gpus=("0", "1"), resources={"MEMORY": 1024.0 * MB, "GPU": 2.0})
    there = cluster({"tls://small": small, "tls://free": replace(LIKE, gpus=("0", "1"))})
    running = dispatcher(there)
    given = []
    for number in range(3):
        workers, counted = running._of_a_kind(list(there.fit))
        running._sent[number] = _Sent(SimpleNamespace(), SimpleNamespace(), workers, counted)  # type: ignore[arg-type]
        given.append((workers, counted))
    assert given[0] == (["tls://free"], False)
    assert sorted(given) == [(["tls://free"], False), (["tls://free"], False), (["tls://small"], True)]
    assert running._of_a_kind(["tls://small"]) == (["tls://small"], True)


def test_what_a_worker_starts_has_a_label(address: Address, tmp_path: Path) -> None:
    made = Cluster(address, replace(ROSTER, gpus=()), RunFolders(tmp_path / "out"))
    try:
        assert {facts.label.partition("=")[0] for facts in made.fit.values()} == {"feta.process"}
        assert all(facts.label.partition("=")[2] for facts in made.fit.values())
    finally:
        made.close()


def test_a_small_machine_s_memory_is_held_against_its_own_containers() -> None:
    there = cluster({"tls://a": LIKE, "tls://b": replace(LIKE, host="small", slots=1), "tls://c": LIKE})
    there._question = Question((), False, None)
    assert [there.at_once(ROSTER, host) for host in ("host", "small")] == [4, 1]
