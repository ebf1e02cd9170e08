"""Teams that handed in the same: said, never judged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from evaluation.scoring.case_task import CaseResult, Outcome

#: More lines than these help nobody.
_MAX_LINES = 100


def same_results(teams: Sequence[str], results: Sequence[CaseResult]) -> list[str]:
    """A line for each set of teams whose label maps, or whose lengths, of some cases are the same.

    Label maps are the same where every label is, whether the files are byte for byte the same or were packed anew.

    Args:
        results: of each case, with an outcome for each team.
    """
    lines = []
    for kind, key in (("label maps", _labels), ("lengths", _lengths)):
        found = Counter(group for result in results for group in _groups(result, key))
        lines += [
            f"{_listed([teams[t] for t in group])} have the same {kind} in {count} of {len(results)} cases"
            for group, count in sorted(found.items())
        ]
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES], f"… and {len(lines) - _MAX_LINES} more sets of teams with the same results"]
    return lines


def _groups(result: CaseResult, key: Callable[[Outcome], Hashable | None]) -> list[tuple[int, ...]]:
    members: dict[Hashable, list[int]] = defaultdict(list)
    for team, outcome in enumerate(result.outcomes):
        if (own := key(outcome)) is not None:
            members[own].append(team)
    return [tuple(group) for group in members.values() if len(group) > 1]


def _labels(outcome: Outcome) -> Hashable | None:
    return outcome.labels or None


def _lengths(outcome: Outcome) -> Hashable | None:
    """The lengths to their last digit; None where there is none."""
    return tuple(outcome.lengths.tolist()) if np.isfinite(outcome.lengths).all() else None


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
