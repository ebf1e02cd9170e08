"""``feta-train assess confidence`` from rows that were made up: fitted, written, read again, reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feta.errors import FetaError
from tests.support.made_up_quality import made_up_rows
from training.commands.assess.confidence import confidence
from training.confidence import across, collect, grow


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Few trees and folds, and rows that no network made; what was asked for is noted."""
    asked: list[Any] = []

    def rows(*arguments: Any) -> Iterator[tuple[Any, bool]]:
        asked.append(arguments)
        yield from ((row, True) for row in made_up_rows(24, seed=len(asked)))

    monkeypatch.setattr(grow, "TREES", 10)
    monkeypatch.setattr(across.judged_across, "__defaults__", (2,))
    monkeypatch.setattr(collect, "collect", rows)
    return asked


def call(folder: Path, **given: Any) -> None:
    options: dict[str, Any] = {"causes": None, "each": 2, "subjects": "*", "leave_out": "", "keep": None, "fit": None,
                               "weights": folder, "signals": False}  # fmt: skip
    confidence([folder], **{**options, **given})


def test_what_was_fitted_judges_fresh_volumes_by_causes_that_it_never_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quick: list[Any]
) -> None:
    call(tmp_path, fit=tmp_path / "confidence.json")
    assert "individuals that were left out" in capsys.readouterr().out
    call(tmp_path)
    assert [each[2] for each in quick] == [collect.CAUSES["learned"], collect.CAUSES["unseen"]]
    assert "| length | TCD |" in capsys.readouterr().out


def test_without_a_model_there_is_nothing_to_measure(tmp_path: Path, quick: list[Any]) -> None:
    with pytest.raises(FetaError, match=r"holds no confidence\.json"):
        call(tmp_path)
    assert quick == []
