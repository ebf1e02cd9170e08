"""``feta-train assess age-from-image`` from rows that were made up: the age alone is replaced, and its errors told."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feta.errors import FetaError
from inference.confidence.quality_file import VERSION, read_quality_model
from tests.support.made_up_quality import made_up_rows
from training.commands.assess.confidence import age_from_image, confidence
from training.confidence import across, collect, grow


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Few trees and folds, and rows that no network made; what was asked for is noted."""
    asked: list[Any] = []

    def rows(*arguments: Any) -> Iterator[tuple[Any, bool]]:
        asked.append(arguments)
        each = 2 if arguments[2] else 1
        yield from ((row, True) for row in made_up_rows(24, seed=len(asked), cohort=arguments[0].name, each=each))

    monkeypatch.setattr(grow, "TREES", 3)
    monkeypatch.setattr(across.judged_across, "__defaults__", (2,))
    monkeypatch.setattr(collect, "collect", rows)
    return asked


@pytest.fixture
def fitted(tmp_path: Path, asked: list[Any], capsys: pytest.CaptureFixture[str]) -> Path:
    """A confidence.json, and nothing asked or printed so far."""
    confidence([tmp_path], fit=tmp_path / "confidence.json", weights=tmp_path)
    asked.clear()
    capsys.readouterr()
    return tmp_path / "confidence.json"


def call(folder: Path, **given: Any) -> None:
    age_from_image([folder], **{"subjects": "*", "keep": None, "fit": None, "weights": folder, **given})


def test_a_fit_replaces_the_age_and_nothing_else(fitted: Path) -> None:
    before = json.loads(fitted.read_text())
    call(fitted.parent, fit=fitted)
    after = json.loads(fitted.read_text())
    assert before.pop("age") != after.pop("age")
    assert before == after


def test_what_was_replaced_tells_ages_of_others(fitted: Path) -> None:
    call(fitted.parent, fit=fitted)
    model = read_quality_model(fitted.parent)
    assert model is not None
    off = [age.weeks - row.age for row in made_up_rows(40, seed=9, each=1) if (age := row.estimated(model.age))]
    assert np.abs(off).mean() < 1.5


def test_without_a_fit_the_file_stays_as_it_is(fitted: Path) -> None:
    before = fitted.read_bytes()
    call(fitted.parent)
    assert fitted.read_bytes() == before


def test_volumes_are_taken_as_they_are_and_only_those_asked_for(fitted: Path, asked: list[Any]) -> None:
    cohort = fitted.parent / "cohort"
    cohort.mkdir()
    age_from_image([cohort], weights=fitted.parent, subjects="sub-0*", keep=fitted.parent / "kept")
    assert asked == [(cohort, fitted.parent, (), 0, fitted.parent / "kept", "sub-0*")]


@pytest.mark.parametrize("fitting", [False, True])
def test_a_table_is_printed_with_a_row_a_group(fitted: Path, capsys: pytest.CaptureFixture[str], fitting: bool) -> None:
    call(fitted.parent, fit=fitted if fitting else None)
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    groups = [cells[1].split()[0].rstrip(",") for cells in lines if cells[0] == f"| {fitted.parent.name}"]
    assert groups[:4] == ["all", "healthy", "ill", "to"]
    assert len(groups) == 6


def test_a_fit_tells_errors_of_individuals_that_were_left_out(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(fitted.parent, fit=fitted)
    assert "left out" in capsys.readouterr().out


def missing(path: Path) -> None:
    path.unlink()


def no_json(path: Path) -> None:
    path.write_text("{")


def earlier(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": VERSION - 1}))


def others(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "weights": "cc"}))
    (path.parent / "model.yaml").write_text("locator: {sha256: aa}\nsegmentation: [{sha256: bb}]\n")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("fitting", [False, True])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (missing, "does not exist"),
        (no_json, "is no model of a result's quality"),
        (earlier, f"another version, {VERSION - 1}, than this release reads, {VERSION}"),
        (others, "other networks"),
        (folder, "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_before_anything_is_measured(
    fitted: Path, asked: list[Any], damage: Callable[[Path], None], said: str, fitting: bool
) -> None:
    damage(fitted)
    with pytest.raises(FetaError, match=said) as raised:
        call(fitted.parent, fit=fitted if fitting else None)
    assert len(str(raised.value).splitlines()) == 1
    assert asked == []


def test_a_cohort_that_is_not_there_is_one_line(fitted: Path, asked: list[Any]) -> None:
    with pytest.raises(FetaError, match="nowhere"):
        age_from_image([fitted.parent / "nowhere"], weights=fitted.parent)
    assert asked == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([replace(row, age=np.nan) for row in made_up_rows(12)], "none has a known age"),
        ([], "none has a known age"),
    ],
)
def test_without_any_known_age_there_is_nothing_to_measure(
    fitted: Path, monkeypatch: pytest.MonkeyPatch, rows: list[Any], said: str
) -> None:
    monkeypatch.setattr(collect, "collect", lambda *_: iter([(row, True) for row in rows]))
    with pytest.raises(FetaError, match=said):
        call(fitted.parent)


def test_what_stops_the_fit_or_the_writing_leaves_the_file_as_it_is(
    fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while volumes are seen; a disk that is full."""
    before, seen = fitted.read_bytes(), collect.collect

    def stopped(*_: Any) -> Iterator[tuple[Any, bool]]:
        yield made_up_rows(1, each=1)[0], True
        raise KeyboardInterrupt

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(collect, "collect", stopped)
    with pytest.raises(KeyboardInterrupt):
        call(fitted.parent, fit=fitted)
    monkeypatch.setattr(collect, "collect", seen)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FetaError, match="No space left"):
        call(fitted.parent, fit=fitted)
    assert fitted.read_bytes() == before
    assert list(fitted.parent.iterdir()) == [fitted]


def test_too_few_fetuses_leave_the_file_as_it_is(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fitted.read_bytes()
    monkeypatch.setattr(collect, "collect", lambda *_: iter([(row, True) for row in made_up_rows(5, each=1)]))
    with pytest.raises(FetaError, match="too few"):
        call(fitted.parent, fit=fitted)
    assert fitted.read_bytes() == before
