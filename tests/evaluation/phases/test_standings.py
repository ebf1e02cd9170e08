"""Which submission counts, what is the same as what, and what a run after an appeal does to it."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.harness.roster import Counts
from evaluation.phases.history import Entry
from evaluation.phases.standings import PhaseScores, boards, look_alikes, mean_of
from evaluation.ranking.schemes import rank
from tests.support.made_up_history import entry, table_of


def scores(entries: list[Entry], quality: list[float]) -> PhaseScores:
    return PhaseScores(tuple(entries), table_of(entries, quality), "paper", 0)


def order(entries: list[Entry], quality: list[float], counts: Counts) -> list[tuple[str, int]]:
    """Team and number of what counts, best first; both tasks agree."""
    segmentation, biometry = boards(scores(entries, quality), counts)
    found = [
        [(str(row["team"]), board.counting[str(row["team"])].number) for row in board.leaderboard.rows]
        for board in (segmentation, biometry)
    ]
    assert found[0] == found[1]
    return found[0]


ENTRIES = [entry("a", 1), entry("b", 1), entry("a", 2), entry("a", 3)]
QUALITY = [0.9, 0.8, 0.95, 0.7]


def test_the_last_counts() -> None:
    assert order(ENTRIES, QUALITY, Counts.LAST) == [("b", 1), ("a", 3)]


def test_the_best_counts_and_of_equal_ones_the_first() -> None:
    assert order(ENTRIES, QUALITY, Counts.BEST) == [("a", 2), ("b", 1)]
    assert order(ENTRIES, [0.9, 0.8, 0.9, 0.9], Counts.BEST) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_depends_on_no_other_team(seed: int) -> None:
    draw = np.random.default_rng(seed)
    mine = [entry("a", n) for n in range(1, 6)]
    quality = draw.random(5).tolist()
    others = [entry("b", n) for n in range(1, 9)]
    alone = order(mine, quality, Counts.BEST)
    together = order([*mine, *others], [*quality, *draw.random(8)], Counts.BEST)
    assert alone == [each for each in together if each[0] == "a"] == [("a", 1 + int(np.argmax(quality)))]


def test_the_board_is_the_ranking_of_what_counts_alone() -> None:
    (board, _) = boards(scores(ENTRIES, QUALITY), Counts.LAST)
    plain = rank(table_of([ENTRIES[3], ENTRIES[1]], [0.7, 0.8]))[0]
    assert plain is not None
    assert [row["score"] for row in board.leaderboard.rows] == sorted(plain.score.tolist())


@pytest.mark.parametrize("counts", Counts)
def test_what_was_run_again_takes_its_place_even_where_it_is_worse(counts: Counts) -> None:
    entries = [entry("a", 1), entry("a", 2, image="sha256:a 1", again_of=1, word="Chair")]
    assert order(entries, [0.9, 0.5], counts) == [("a", 2)]


def test_an_earlier_submission_that_is_run_again_is_not_the_last() -> None:
    entries = [entry("a", 1), entry("a", 2), entry("a", 3, again_of=1, word="Chair")]
    assert order(entries, [0.1, 0.2, 0.3], Counts.LAST) == [("a", 2)]
    assert order(entries, [0.1, 0.2, 0.3], Counts.BEST) == [("a", 3)]


def test_the_same_image_and_the_same_scores_are_told_apart_from_appeals() -> None:
    entries = [entry("a", 1, "x"), entry("b", 1, "x"), entry("c", 1, "y"), entry("a", 2, "x", again_of=1, word="w")]
    found = look_alikes(entries, scores(entries, [0.5, 0.6, 0.5, 0.7]))
    named = {name: [(word, other.name) for word, other in others] for name, others in found.items()}
    assert named == {
        "a-1": [("image", "b-1"), ("scores", "c-1")],
        "b-1": [("image", "a-1"), ("image", "a-2")],
        "c-1": [("scores", "a-1")],
        "a-2": [("image", "b-1")],
    }


def test_two_that_measured_nothing_are_not_the_same() -> None:
    entries = [entry("a", 1), entry("b", 1)]
    table = table_of(entries, [0.0, 0.0])
    table.reasons[:] = "missing-file"
    assert look_alikes(entries, PhaseScores(tuple(entries), table, "paper", 0)) == {}


def test_what_was_not_scored_has_no_means() -> None:
    assert set(mean_of(scores([entry("a", 1)], [0.9]), entry("b", 1)).values()) == {None}
    assert mean_of(scores([entry("a", 1)], [0.9]), entry("a", 1))["dice"] == pytest.approx(0.9)
