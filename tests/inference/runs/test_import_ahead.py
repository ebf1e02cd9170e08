"""Imports that go on beside the networks."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from inference.runs.import_ahead import import_ahead
from inference.runs.looks import MODULES
from inference.runs.models import CONSTRUCTION, NATIVE_KERNEL


def ended() -> None:
    for thread in threading.enumerate():
        if thread.name == "import-ahead":
            thread.join()


def test_a_module_is_there_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_ahead.py").write_text("VALUE = 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    import_ahead(["made_up_ahead"])
    ended()
    assert sys.modules["made_up_ahead"].VALUE == 5
    del sys.modules["made_up_ahead"]


def test_one_that_cannot_be_imported_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_broken.py").write_text("raise RuntimeError('broken')\n")
    (tmp_path / "made_up_fine.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import_ahead(["made_up_broken", "made_up_fine"])
    ended()
    assert "made_up_fine" in sys.modules
    with pytest.raises(RuntimeError, match="broken"):
        importlib.import_module("made_up_broken")
    del sys.modules["made_up_fine"]


def test_those_that_are_named_exist() -> None:
    for name in (NATIVE_KERNEL, CONSTRUCTION, *MODULES):
        importlib.import_module(name)
