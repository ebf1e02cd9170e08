"""The example for a cluster: by Slurm itself where there is one, else what its scripts would start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.folders import make_weights
from tests.support.infer_calls import bids_dataset

ROOT = Path(__file__).resolve().parents[2]
SLURM = ROOT / "examples/slurm"
#: Longest time that a job of seconds may wait and run, s.
PATIENCE = 300


def answers() -> bool:
    """Whether a controller of Slurm answers."""
    call = ["sinfo", "--noheader"]
    return (
        bool(shutil.which("sbatch"))
        and subprocess.run(call, capture_output=True, timeout=20, check=False).returncode == 0
    )


@pytest.fixture
def echo(tmp_path: Path) -> dict[str, str]:
    """An environment in which a program says what it was given, one argument a line."""
    program = tmp_path / "echo-all"
    program.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "PARTS"))}
    return {**kept, "FETA_COMMAND": f"{program} before"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(7):
        (tmp_path / f"my data/sub-{number}/anat").mkdir(parents=True)
    return tmp_path / "my data"


def job(environment: dict[str, str], *arguments: str | Path, task: int | None) -> subprocess.CompletedProcess[str]:
    """One job of an array, as Slurm starts it."""
    tasks = {} if task is None else {"SLURM_ARRAY_TASK_ID": str(task)}
    call = ["bash", str(SLURM / "participants.sbatch"), *map(str, arguments)]
    return subprocess.run(call, env={**environment, **tasks}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", ["submit", "participants.sbatch"])
def test_a_script_is_one_that_bash_reads(script: str) -> None:
    assert subprocess.run(["bash", "-n", SLURM / script], check=False).returncode == 0
    assert os.access(SLURM / script, os.X_OK)


def test_a_job_is_given_all_participants(echo: dict[str, str], data: Path) -> None:
    done = job(echo, data, "out dir", "--no-tta", task=3)
    expected = ["before", str(data), "out dir", "participant", "--skip-bids-validation", "--no-tta"]
    assert (done.returncode, done.stdout.splitlines()) == (0, expected)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 9])
def test_parts_together_are_all_participants_each_once(echo: dict[str, str], data: Path, parts: int) -> None:
    given: list[str] = []
    for task in range(parts):
        done = job({**echo, "PARTS": str(parts)}, data, "out", task=task)
        assert done.returncode == 0, done.stderr
        given += [line for line in done.stdout.splitlines() if line.startswith("sub-")]
    assert sorted(given) == [f"sub-{number}" for number in range(7)]


@pytest.mark.parametrize(("arguments", "task"), [(["data"], 0), (["data", "out"], None)])
def test_a_call_that_can_t_be_meant_is_said(echo: dict[str, str], arguments: list[str], task: int | None) -> None:
    done = job(echo, *arguments, task=task)
    assert done.returncode == 2
    assert "call it as" in done.stderr


def test_submit_asks_for_an_array_and_then_the_group(tmp_path: Path, echo: dict[str, str]) -> None:
    """With a program in sbatch's place that notes what it is asked for."""
    (tmp_path / "sbatch").write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >>"{tmp_path}/asked"\necho 17\n')
    (tmp_path / "sbatch").chmod(0o755)
    environment = {**echo, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([SLURM / "submit", "4", "my data", "out", "--no-tta"], env=environment, check=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:6] == ["--parsable", "--array=0-3", str(SLURM / "participants.sbatch"), "my data", "out", "--no-tta"]
    assert "--dependency=afterany:17" in asked
    assert asked[-1] == f"exec {echo['FETA_COMMAND']} my\\ data out group --no-tta "


@pytest.mark.skipif(not answers(), reason="no controller of Slurm answers")
def test_slurm_does_each_case_once_and_the_group_at_the_end(tmp_path: Path) -> None:
    data = bids_dataset(tmp_path / "data", *(f"sub-{n}/anat/sub-{n}_T2w.nii.gz" for n in "123"))
    environment = {
        **os.environ,
        "FETA_COMMAND": f"{sys.executable} -m tests.support.infer_stand_in",
        "FETA_WEIGHTS": str(make_weights(tmp_path / "weights")),
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(
        [SLURM / "submit", "2", data, tmp_path / "out", "--no-qc"], env=environment, cwd=tmp_path, check=True
    )
    until = time.monotonic() + PATIENCE
    while not (said := "".join(p.read_text() for p in tmp_path.glob("feta-group-*.log"))) and time.monotonic() < until:
        time.sleep(0.5)
    logs = "".join(path.read_text() for path in tmp_path.glob("feta-infer-*.log"))
    assert said == "group: 3 of 3 cases\n", logs
    assert [logs.count(f"sub-{n}_T2w: done in") for n in "123"] == [1, 1, 1]
