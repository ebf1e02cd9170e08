"""Releases without what takes longest and stands in few places."""

from __future__ import annotations

import functools

import pytest

from evaluation.ranking import leaderboard
from evaluation.ranking import results as ranking_results
from evaluation.ranking.stability import bootstrap


@pytest.fixture
def quick(no_plots: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plots, no tests of all pairs of teams, few samples."""
    monkeypatch.setattr(ranking_results, "segmentation_significance", lambda table: [])
    monkeypatch.setattr(ranking_results, "biometry_significance", lambda table: None)
    monkeypatch.setattr(leaderboard, "bootstrap", functools.partial(bootstrap, samples=50))
