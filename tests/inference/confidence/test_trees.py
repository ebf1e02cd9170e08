"""Trees as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.confidence.trees import trees_from

#: One stump: a signal of at most 0.5 gives 1, a greater one 10; the usual one is 3.
STUMP: dict[str, Any] = {
    "start": 100.0,
    "feature": [[1, 0, 0]],
    "threshold": [[0.5, 0.0, 0.0]],
    "left": [[1, -1, -1]],
    "right": [[2, -1, -1]],
    "value": [[0.0, 1.0, 10.0]],
    "usual": [0.0, 3.0],
}


def test_a_stump_goes_left_up_to_its_threshold() -> None:
    found = trees_from(STUMP, 2).predict(np.array([[9.0, 0.5], [9.0, 0.6]]))
    assert found.tolist() == [101.0, 110.0]


def test_an_unknown_signal_counts_as_the_usual_one() -> None:
    assert trees_from(STUMP, 2).predict(np.array([[0.0, np.nan]])).tolist() == [110.0]


def test_what_is_written_is_read_again() -> None:
    assert trees_from(STUMP, 2).plain() == STUMP


@pytest.mark.parametrize(
    "change",
    [
        {"left": [[0, -1, -1]]},  # its own child: it would go round for ever
        {"right": [[7, -1, -1]]},
        {"feature": [[2, 0, 0]]},
        {"feature": [[-1, 0, 0]]},
        {"usual": [0.0]},
        {"threshold": [[0.5, 0.0]]},
        {"value": [[0.0, float("nan"), 1.0]]},
        {"value": [0.0, 1.0]},
    ],
)
def test_damaged_trees_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="trees"):
        trees_from({**STUMP, **change}, 2)
