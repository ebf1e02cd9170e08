"""A participant's image, tried as organizers run it: what would be lost, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import images, rivals
from tests.support.rivals import Rival


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rivals.write_cohort(tmp_path_factory.mktemp("cases"), 2)[0]


def rehearsed(tmp_path: Path, cases: Path, behaviour: str, *more: object, **limits: Any) -> tuple[int, list[str]]:
    """Exit status and lines."""
    rival = Rival("ours", behaviour)
    roster = rivals.write_roster(tmp_path / "roster.yaml", [rival], limits)
    done = rivals.evaluate("rehearse", rival.build(), cases, "--roster", roster, *more)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_good_image_would_lose_nothing(tmp_path: Path, cases: Path) -> None:
    status, lines = rehearsed(tmp_path, cases, "slow")
    assert (status, lines[-1]) == (0, "2 cases: nothing would be lost, 0 at risk")
    assert any(line.startswith("note: memory: at most") for line in lines)


@pytest.mark.parametrize(
    ("behaviour", "about", "limits"),
    [
        ("crash", "exit status", {}),
        ("silent", "result", {}),
        ("deaf", "time", {"case_seconds": 2}),
        ("memory-child", "memory", {}),
        ("disk", "space", {}),
    ],
)
def test_what_is_lost_is_said_case_by_case(
    tmp_path: Path, cases: Path, behaviour: str, about: str, limits: dict[str, Any]
) -> None:
    status, lines = rehearsed(tmp_path, cases, behaviour, **limits)
    assert status == 1
    assert [line.split(":")[1].strip() for line in lines if line.startswith("lost")] == [about] * 2, lines


@pytest.mark.parametrize(
    ("behaviour", "needed"),
    [
        ("wants-network", "it needs a network"),
        ("wants-root", "it needs to be root"),
        ("wants-cache", "it needs to write outside /output and /tmp"),
        ("wants-both", "it needs several things at once"),
        ("crash", "it ends no better"),
    ],
)
def test_why_is_found_by_taking_walls_down(tmp_path: Path, cases: Path, behaviour: str, needed: str) -> None:
    status, lines = rehearsed(tmp_path, cases, behaviour, "--why")
    assert status == 1
    (why,) = [line for line in lines if line.startswith("note: why")]
    assert needed in why
    assert ("/fetachallenge/cache/model" in "\n".join(lines)) is (behaviour == "wants-cache")
    networks = images.docker("network", "ls", "--format", "{{.Name}}").split()
    assert not [name for name in networks if name.startswith("feta-")]


def test_phantoms_and_results_are_kept_where_asked(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = rivals.evaluate("rehearse", Rival("a", "silent").build(), "--phantoms", "--output", kept, "--format", "json")
    assert done.returncode == 1, done.stderr
    assert [case["state"] for case in json.loads(done.stdout)["cases"]] == ["no-result"] * 3
    assert len(list((kept / "phantoms" / "truth").rglob("*_dseg.nii.gz"))) == 3
    assert len(list((kept / "run" / "logs").rglob("*.log"))) == 3


def test_an_image_that_is_not_there_is_one_line(cases: Path) -> None:
    done = rivals.evaluate("rehearse", "no/such-image:1", cases)
    assert done.returncode == 2
    assert done.stderr.startswith("feta-evaluate: no/such-image:1: no such image here")
