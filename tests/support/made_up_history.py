"""Submissions of a challenge with phases that were never run, and scores for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evaluation.harness.roster import Phase, Team
from evaluation.phases.admission import Admitted, admit
from evaluation.phases.history import HISTORY, SCORES, Entry, History, rules_of
from evaluation.report.write import write_tables
from evaluation.scoring.messages import ScoringMessages
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from tests.support.made_up_scores import made_up_table, replaced

NOON = 1_785_585_600.0  # 2026-08-01 12:00 UTC
DAY = 86_400.0


def entry(team: str, number: int, image: str = "", again_of: int | None = None, word: str = "") -> Entry:
    id_ = image or f"sha256:{team} {number}"
    return Entry(
        "test", team, number, "registry/secret:1", id_, rules_of(Team("a", "b")), NOON + number, again_of, word
    )


def new_history(output: Path, phase: Phase | None = None, now: float = NOON) -> History:
    output.mkdir(parents=True, exist_ok=True)
    history = History(output / HISTORY)
    history.create()
    if phase:
        history.put_phase(phase, now)
    return history


def hand_in(history: History, phase: Phase, now: float, **images: str) -> Admitted:
    """Team → image, whose id is its name."""
    return admit(history, phase, [Team(team, image) for team, image in images.items()], lambda name: name, now)


def table_of(entries: list[Entry], quality: list[float], cases: int = 6) -> ScoreTable:
    """Scores whose Dice and VS are the quality, and all else follows it; no penalty, no gap."""
    table = made_up_table(tuple(e.name for e in entries), cases)
    level = np.array(quality)[:, None, None, None]
    values = np.where(
        np.isin(SEGMENTATION_METRICS, ("dice", "vs")), np.broadcast_to(level, table.values.shape), 50 * (1 - level)
    )
    errors = np.broadcast_to(20 * (1 - np.array(quality))[:, None, None], table.length_errors.shape).copy()
    return replaced(table, values=values, length_errors=errors)


def write_scores(output: Path, phase: str, table: ScoreTable) -> None:
    """As ``feta-evaluate score --tables`` does."""
    write_tables(output / phase / SCORES, table, ScoringMessages())
