"""Both backends of the heavy steps, for tests that must hold for each."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import settings

from evaluation.metrics import backend, numba_backend, numpy_backend

# A busy machine is no failure.
settings.register_profile("feta", deadline=None)
settings.load_profile("feta")


@pytest.fixture(params=[numpy_backend, numba_backend], ids=["numpy", "numba"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """NumPy's backend, then numba's."""
    monkeypatch.setattr(backend, "load", lambda: request.param)
    return request.param


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take seconds; where only words are looked at, they are left out."""
    from evaluation.report import figures

    for name in ("blobs", "podiums", "tissues", "lengths"):
        monkeypatch.setattr(figures, name, lambda results: [])
    monkeypatch.setattr(figures, "groups", lambda *_: figures.Plot("", "data:,", "nothing", ""))
