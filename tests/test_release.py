"""What a release says of itself: one version in all places, what the images are, what the workflow builds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import feta

ROOT = Path(__file__).resolve().parents[1]
RELEASE = (ROOT / ".github/workflows/release.yml").read_text()
JOBS: dict[str, Any] = yaml.safe_load(RELEASE)["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMAGES = ("inference", "evaluation", "training")


def runs(job: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_the_version_stands_in_one_place_and_the_citation_names_it() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "feta.__version__"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (feta.__version__, PROJECT["project"]["license"])
    for name in ("Makefile", "Dockerfile", ".github/workflows/release.yml"):
        assert feta.__version__ not in (ROOT / name).read_text(), name


@pytest.mark.parametrize("text", [RELEASE, (ROOT / "Makefile").read_text().replace("$$", "$")])
def test_whoever_reads_the_version_without_python_finds_it(text: str) -> None:
    """The workflow and the Makefile take it out of feta/__init__.py by the same expression of sed."""
    assert r"""sed -n 's/^__version__ = "\(.*\)"$/\1/p' feta/__init__.py""" in text
    assert re.findall(r'^__version__ = "(.*)"$', (ROOT / "feta/__init__.py").read_text(), re.M) == [feta.__version__]


@pytest.mark.parametrize("image", IMAGES)
def test_every_image_says_what_it_is(image: str) -> None:
    stage = (ROOT / "Dockerfile").read_text().split(f" AS {image}\n")[1].split("\nFROM ")[0]
    told = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', stage))
    assert told["title"] == f"feta-{image}"
    assert "Not a medical device" in told["description"]
    assert (told["version"], told["revision"]) == ("${VERSION}", "${REVISION}")
    weights = "COPY --chmod=755 weights" in stage
    assert told["licenses"].startswith("Apache-2.0")
    assert ("LicenseRef" in told["licenses"]) is weights


def test_a_release_is_tested_then_built_then_published() -> None:
    assert JOBS["check"] == {"uses": "./.github/workflows/ci.yml"}
    assert "workflow_call" in yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())[True]
    assert set(JOBS["image"]["needs"]) == {"check", "wheel"}
    assert JOBS["release"]["needs"] == "image"
    assert "pip wheel" in runs("wheel")
    assert JOBS["image"]["strategy"]["matrix"]["target"] == ["inference", "evaluation"]
    assert "make images TARGETS=" in runs("image")
    assert any("sbom" in step.get("uses", "") for step in JOBS["image"]["steps"])
    assert "assets/*" in runs("release")


def test_nothing_of_a_release_may_do_more_than_it_needs() -> None:
    assert yaml.safe_load(RELEASE)["permissions"] == {"contents": "read"}
    written = {job: {k for k, v in each.get("permissions", {}).items() if v == "write"} for job, each in JOBS.items()}
    assert {job: may for job, may in written.items() if may} == {"image": {"packages"}, "release": {"contents"}}
    uses = [step["uses"] for job in JOBS.values() for step in job.get("steps", []) if "uses" in step]
    assert [each for each in uses if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", each)] == []
