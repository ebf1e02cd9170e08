"""tools/check says when containers were not tested, and fails for it where REQUIRE_ENGINE=1 asks for an engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Checkout:
    """tools/check alone in a folder, where each command that it calls only writes down that it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools").mkdir()
        (folder / "wheels").mkdir()
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / "bin").mkdir()
        shutil.copy(ROOT / "tools" / "check", folder / "tools")
        self.program("bin/make")
        self.program(".venv/bin/python")
        self.program("bin/docker")

    def program(self, name: str, status: int = 0) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{self.folder}/called"\nexit {status}\n')
        path.chmod(0o755)

    def check(self, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != "REQUIRE_ENGINE"}
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        command = [str(self.folder / "tools" / "check")]
        environment = kept | {"PATH": path} | environment
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def called(self) -> list[str]:
        return (self.folder / "called").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("environment", [{}, {"REQUIRE_ENGINE": "1"}])
def test_with_an_engine_the_containers_are_tested_last(checkout: Checkout, environment: dict[str, str]) -> None:
    done = checkout.check(**environment)
    assert done.returncode == 0, done.stderr
    docker, test, lint, docs, wheel, containers = checkout.called()
    assert (docker, test, lint, docs) == ("docker info", "make test", "make lint", "make docs")
    assert wheel.startswith("python -m pip download")
    assert containers.endswith("tests/container")
    assert "not tested" not in done.stdout


def test_a_wheel_that_is_there_is_not_fetched(checkout: Checkout) -> None:
    (checkout.folder / "wheels" / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").touch()
    assert checkout.check().returncode == 0
    assert not [line for line in checkout.called() if "pip" in line]


def test_without_an_engine_one_line_says_what_was_not_tested(checkout: Checkout) -> None:
    checkout.program("bin/docker", status=1)
    done = checkout.check()
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "containers were not tested: no container engine answers"
    assert checkout.called() == ["docker info", "make test", "make lint", "make docs"]


def test_a_required_engine_that_is_missing_fails_before_anything_runs(checkout: Checkout) -> None:
    checkout.program("bin/docker", status=1)
    done = checkout.check(REQUIRE_ENGINE="1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert checkout.called() == ["docker info"]


def test_a_failing_step_ends_it(checkout: Checkout) -> None:
    checkout.program("bin/make", status=2)
    assert checkout.check().returncode == 2
    assert checkout.called() == ["docker info", "make test"]


def test_images_are_built_with_buildkit_whoever_is_followed() -> None:
    """Engines before 23 build without it unless told, and then stop at the Dockerfile's mounts."""
    pages = [
        *(ROOT / name for name in ("README.md", "wheels/README.md", "docker-compose.yml", "Dockerfile")),
        *(ROOT / "docs").rglob("*.md"),
    ]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    building = [line for line in lines if any(word in line for word in ("docker build ", "compose build"))]
    assert [line for line in building if "DOCKER_BUILDKIT=1" not in line] == []
    assert "DOCKER_BUILDKIT=1 docker build" in (ROOT / "Makefile").read_text()
