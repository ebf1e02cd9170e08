"""Compiled functions, where nothing can be kept."""

from __future__ import annotations

import tempfile

import pytest

from feta import compiled


def test_without_a_folder_for_temporary_files_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a read-only root; tempfile says so by an error."""

    def missing() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", missing)
    assert not compiled._own_cache()
