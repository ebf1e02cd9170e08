"""From simulation to leaderboard with Compose, and with one's own folders."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.images import LIMIT, ROOT

FILE = ROOT / "docker-compose.yml"


def compose_command() -> list[str]:
    """Compose 1 is a program of its own, Compose 2 usually a part of the engine's client; empty where there is none."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    part = ["docker", "compose"]
    if shutil.which("docker") and subprocess.run([*part, "version"], capture_output=True, check=False).returncode == 0:
        return part
    return []


COMPOSE = compose_command()
needs_compose = pytest.mark.skipif(not COMPOSE, reason="needs docker-compose")


def compose(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMPOSE, "--file", str(FILE), "--project-directory", str(folder), *arguments],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture
def tags(inference_image: str, evaluation_image: str, training_image: str) -> dict[str, str]:
    return {
        "FETA_INFERENCE_IMAGE": inference_image,
        "FETA_EVALUATION_IMAGE": evaluation_image,
        "FETA_TRAINING_IMAGE": training_image,
    }


@needs_compose
def test_from_simulation_to_leaderboard(tmp_path: Path, tags: dict[str, str]) -> None:
    try:
        # Volumes of 2 mm: the programs are the same ones, and what they compute is tested elsewhere.
        small = {"FETA_SITES": "2", "FETA_CASES": "1", "FETA_VOXEL": "2"}
        ended = compose(tmp_path, "up", "--no-build", "--no-color", **small, **tags)
        assert ended.returncode == 0, ended.stdout[-6000:]
        report = tmp_path / "run/report"
        with (report / "leaderboard_segmentation.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["team"] for row in rows if row["site"] == "all"] == ["ours"], ended.stdout[-6000:]
        assert (report / "report.html").stat().st_size > 10_000
        assert len(list((tmp_path / "run/submissions/ours").rglob("*_dseg.nii.gz"))) == 2
    finally:
        compose(tmp_path, "down", "--volumes", **tags)


@needs_compose
def test_nobody_but_the_evaluator_sees_the_truth_and_nobody_has_a_network(tmp_path: Path) -> None:
    import yaml

    shown = compose(tmp_path, "config", FETA_INPUT="/own/input", FETA_TRUTH="/own/truth")
    assert shown.returncode == 0, shown.stdout
    services = yaml.safe_load(shown.stdout)["services"]
    assert {name for name, service in services.items() if "/own/truth" in str(service)} == {"evaluation"}
    assert all(service["network_mode"] == "none" for service in services.values())


@needs_compose
def test_the_gpu_is_asked_for_in_the_override_alone(tmp_path: Path) -> None:
    plain = compose(tmp_path, "config")
    with_gpu = compose(tmp_path, "--file", str(ROOT / "docker-compose.gpu.yml"), "config")
    assert "nvidia" not in plain.stdout
    assert with_gpu.returncode == 0
    assert "nvidia" in with_gpu.stdout
