"""Several processes on one output folder, as the jobs of an array: each case once, and one run.json of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from inference.runs import claims
from tests.support.folders import damage, make_tree, make_weights

ROOT = Path(__file__).parents[3]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts feta-infer with a stand-in for the networks as a process of its own."""
    (tmp_path / "calls").mkdir()
    weights = str(make_weights(tmp_path / "weights"))
    with ExitStack() as stack:

        def begin(*arguments: object, **variables: object) -> subprocess.Popen[str]:
            environment = {"FETA_WEIGHTS": weights, "FETA_TEST_CALLS": tmp_path / "calls", **variables}
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.driver", *map(str, arguments), "--fast"],
                env=os.environ | {name: str(value) for name, value in environment.items()},
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    assert "Traceback" not in said, said
    return process.returncode, said


def log(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out/run.json").read_text())


def calls(tmp_path: Path) -> int:
    return len(list((tmp_path / "calls").iterdir()))


def cohort(tmp_path: Path) -> list[str]:
    """Subjects of the table of all cases that have volumes there."""
    header, *rows = [line.split("\t") for line in (tmp_path / "out/cohort.tsv").read_text().splitlines()]
    return [row[0] for row in rows if float(row[header.index("WM")]) > 0]


def left(tmp_path: Path) -> list[str]:
    """Hidden files that stay in the output folder."""
    return [path.name for path in (tmp_path / "out").rglob(".*") if path.name != ".bidsignore"]


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--layout", "bids"]])
def test_each_case_is_done_once_and_run_json_tells_of_all(tmp_path: Path, start: Start, options: list[str]) -> None:
    make_tree(tmp_path / "in", 6)
    processes = [start(tmp_path / "in", tmp_path / "out", *options, FETA_TEST_MEET=3) for _ in range(3)]
    assert [ended(process)[0] for process in processes] == [0, 0, 0]
    assert calls(tmp_path) == 6
    assert len(list((tmp_path / "out").rglob("*_dseg.json"))) == 6
    written = log(tmp_path)
    assert [case["status"] for case in written["cases"].values()] == ["done"] * 6
    assert written["finished"] is True
    assert len(written["processes"]) == 3
    assert all(process["finished"] for process in written["processes"].values())
    assert cohort(tmp_path) == ["sub-001", "sub-002", "sub-003", "sub-004", "sub-005", "sub-006"]
    assert left(tmp_path) == []


def test_a_case_that_failed_is_not_tried_by_all(tmp_path: Path, start: Start) -> None:
    make_tree(tmp_path / "in", 3)
    damage(tmp_path / "in/sub-001/anat/sub-001_rec-mial_T2w.nii.gz")
    said = [ended(p) for p in [start(tmp_path / "in", tmp_path / "out", FETA_TEST_MEET=2) for _ in range(2)]]
    assert [status for status, _ in said] == [1, 1]
    assert sum(text.count("error: ") for _, text in said) == 1
    assert len(log(tmp_path)["failures"]) == 1
    assert calls(tmp_path) == 2


def test_a_killed_process_s_case_is_taken_over(tmp_path: Path, start: Start) -> None:
    make_tree(tmp_path / "in", 2)
    begun = tmp_path / "begun"
    first = start(tmp_path / "in", tmp_path / "out", FETA_TEST_BLOCK=begun)
    assert first.stderr is not None
    while not begun.exists():
        assert first.poll() is None
    second = start(tmp_path / "in", tmp_path / "out")
    assert second.stderr is not None
    said = iter(second.stderr.readline, "")
    assert any("another process has it; waiting" in line for line in said)
    first.send_signal(signal.SIGKILL)
    assert ended(second)[0] == 0
    written = log(tmp_path)
    assert [case["status"] for case in written["cases"].values()] == ["done"] * 2
    assert written["finished"] is True
    assert sorted(process["finished"] for process in written["processes"].values()) == [False, True]
    assert left(tmp_path) == []


def test_volumes_one_by_one_into_one_folder_are_all_told(tmp_path: Path, start: Start) -> None:
    images = sorted(make_tree(tmp_path / "in", 3).rglob("*_T2w.nii.gz"))
    together = [start(image, tmp_path / "out", FETA_TEST_MEET=2) for image in images[:2]]
    assert [ended(process)[0] for process in together] == [0, 0]
    assert len(log(tmp_path)["cases"]) == 2
    assert ended(start(images[2], tmp_path / "out"))[0] == 0
    written = log(tmp_path)
    assert (len(written["cases"]), len(written["earlier"])) == (1, 2)
    assert cohort(tmp_path) == ["sub-001", "sub-002", "sub-003"]
    assert "processes" not in written


def test_what_another_process_left_is_no_obstacle(tmp_path: Path, start: Start) -> None:
    """A lock file of one that was killed, and a run.json that is no JSON."""
    make_tree(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / claims.NAME).write_text("something")
    (tmp_path / "out/run.json").write_text('{"cases": [')
    assert ended(start(tmp_path / "in", tmp_path / "out"))[0] == 0
    assert len(log(tmp_path)["cases"]) == 1
    assert left(tmp_path) == []


def test_processes_with_workers_share_a_folder(tmp_path: Path, start: Start) -> None:
    make_tree(tmp_path / "in", 5)
    processes = [start(tmp_path / "in", tmp_path / "out", "--workers", 2, FETA_TEST_MEET=4) for _ in range(2)]
    assert [ended(process)[0] for process in processes] == [0, 0]
    assert calls(tmp_path) == 5
    written = log(tmp_path)
    assert [case["status"] for case in written["cases"].values()] == ["done"] * 5
    assert written["finished"] is True
    assert left(tmp_path) == []
