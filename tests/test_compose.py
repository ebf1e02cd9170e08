"""What docker-compose.yml makes of an exit status: a failed case still leaves a leaderboard, an unusable call none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("service", ["submission", "evaluation"])
@pytest.mark.parametrize(("status", "goes_on"), [(0, True), (1, True), (2, False), (137, False)])
def test_a_failed_case_still_leaves_a_leaderboard(tmp_path: Path, service: str, status: int, goes_on: bool) -> None:
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["command"]
    for name in ("feta-infer", "feta-evaluate"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {status}\n")
        program.chmod(0o755)
    told = [word.replace("$$", "$") for word in command]  # as Compose reads it
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert (subprocess.run(told, env={"PATH": path}, check=False).returncode == 0) is goes_on
