"""The Boutiques descriptor, before Boutiques' own validator and launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import feta
from inference.commands import bids_app
from inference.derivatives.layout import holds_derivatives
from tests.support.folders import make_weights
from tests.support.infer_calls import bids_dataset

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTOR = ROOT / "inference/container/boutiques.json"
INVOCATION = {
    "bids_dir": "/data",
    "output_dir": "/out",
    "analysis_level": "participant",
    "participant_label": ["01", "sub-02"],
    "no_tta": True,
}


def bosh(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Boutiques' program."""
    call = [
        sys.executable,
        "-c",
        "import sys; from boutiques.bosh import bosh; bosh(sys.argv[1:])",
        *map(str, arguments),
    ]
    return subprocess.run(call, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_boutiques_finds_the_descriptor_valid() -> None:
    done = bosh("validate", DESCRIPTOR)
    assert done.returncode == 0, done.stderr


def test_boutiques_finds_a_broken_descriptor_invalid(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    broken = json.loads(DESCRIPTOR.read_text())
    broken["inputs"][0]["type"] = "Folder"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert bosh("validate", tmp_path / "broken.json").returncode != 0


def test_the_call_is_one_that_this_program_reads(tmp_path: Path) -> None:
    (tmp_path / "call.json").write_text(json.dumps(INVOCATION))
    done = bosh("exec", "simulate", "-i", tmp_path / "call.json", DESCRIPTOR)
    command = done.stdout.strip().splitlines()[-1].split()
    assert command[0] == "feta-infer"
    read = bids_app.as_typer_reads_it(command[1:])
    assert read is not None
    assert read[-4:] == ["--", "/data", "/out", "participant"]
    assert [read[at + 1] for at, word in enumerate(read) if word == "--participant-label"] == ["01", "sub-02"]


def test_every_flag_and_choice_is_an_option_of_the_program() -> None:
    import typer

    command = typer.main.get_command(bids_app.app)
    options = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("--")}
    described = json.loads(DESCRIPTOR.read_text())
    assert described["tool-version"] == feta.__version__
    flags = [one["command-line-flag"] for one in described["inputs"] if "command-line-flag" in one]
    assert set(flags) <= set(options)


def test_boutiques_launches_the_program(tmp_path: Path) -> None:
    """On this machine, without a container, and with a stand-in for the networks."""
    data = bids_dataset(tmp_path / "data", "sub-01/anat/sub-01_T2w.nii.gz", "sub-02/anat/sub-02_T2w.nii.gz")
    program = tmp_path / "bin/feta-infer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tests.support.infer_stand_in "$@"\n')
    program.chmod(0o755)
    call = INVOCATION | {"bids_dir": str(data), "output_dir": str(tmp_path / "out"), "participant_label": ["02"]}
    (tmp_path / "call.json").write_text(json.dumps(call | {"skip_bids_validation": True, "no_qc": True}))
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "FETA_WEIGHTS": str(make_weights(tmp_path / "w"))}
    done = bosh(
        "exec", "launch", "--no-container", "--skip-data-collection", DESCRIPTOR, tmp_path / "call.json", **environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert holds_derivatives(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").glob("sub-*/anat/*_dseg.nii.gz")] == ["sub-02_seg-feta_dseg.nii.gz"]


@pytest.mark.parametrize("level", ["participants", ""])
def test_boutiques_refuses_what_the_program_would(tmp_path: Path, level: str) -> None:
    (tmp_path / "call.json").write_text(json.dumps(INVOCATION | {"analysis_level": level}))
    assert bosh("exec", "simulate", "-i", tmp_path / "call.json", DESCRIPTOR).returncode != 0
