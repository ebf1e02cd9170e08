"""Which cases of a team failed and why, in our own words alone: no file's name, and nothing that a container said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.harness.case_state import MEANING, CaseState
from evaluation.harness.record import CaseRun
from evaluation.scoring.score_table import ScoreTable
from evaluation.submissions.reasons import FILE_REASONS, NOT_A_FAULT, Reason

WORDS: dict[str, str] = {
    Reason.MISSING_FILE: "no file",
    Reason.TWO_FILES: "more than one file for the case",
    Reason.UNSAFE_FILE: "a link, or another file than a plain one, or far too large",
    Reason.INVALID_FILE: "a file that can't be read, or with other values than are allowed",
    Reason.WRONG_GRID: "not on the grid of the case's volume",
    Reason.NOT_MEASURED: "could not be measured by the evaluator: ask the organizers",
    Reason.MISSING_LABEL: "a label is missing",
    Reason.EXTRA_LABEL: "a label that the truth lacks",
    Reason.TOO_RAGGED: "a label's surface is that of noise",
    Reason.MISSING_LENGTH: "a length is missing",
    Reason.INVALID_LENGTH: "a length is no positive number",
}
OTHER = "not counted: ask the organizers"
#: Of one case these would tell something of its truth: they are counted over all cases, never shown with a case.
_COUNTED_ONLY = frozenset({str(Reason.EXTRA_LABEL)})


@dataclass(frozen=True)
class FailedCase:
    """A case under its made-up name, and what is wrong with it in one line."""

    name: str
    why: str


def failed_cases(
    table: ScoreTable, team: int, names: Sequence[str], runs: Mapping[str, CaseRun]
) -> tuple[FailedCase, ...]:
    """A team's failed cases, in the order of their made-up names, which says nothing of the cohort's.

    Args:
        team: index.
        names: (C,) made-up names.
        runs: how each case's container ended, by the case's name; empty where no runner was at work.
    """
    maps, lengths = table.reasons[team], table.length_reasons[team]
    fine = np.isin(maps, sorted(NOT_A_FAULT)).all(axis=(1, 2)) & np.isin(lengths, sorted(NOT_A_FAULT)).all(axis=1)
    odd = set(np.flatnonzero(~fine).tolist())
    found = []
    for c, case in enumerate(table.cases):
        run = runs.get(case.name)
        ill = run is not None and run.state.final and run.state is not CaseState.DONE
        if c not in odd and not ill:
            continue
        said = [f"label map: {words}" for words in _words(maps[c].ravel().tolist())]
        said += [f"lengths: {words}" for words in _words(lengths[c].tolist())]
        if run is not None and ill:
            said.insert(0, f"container: {MEANING[run.state]}")
        if said:
            found.append(FailedCase(names[c], "; ".join(said)))
    return tuple(sorted(found, key=lambda case: case.name))


def penalty_counts(table: ScoreTable, team: int) -> list[tuple[str, int, int]]:
    """Of each reason that a team's scores have: its words, and in how many cases of label maps and of lengths."""
    maps = Counter(reason for case in table.reasons[team] for reason in set(case.ravel().tolist()))
    lengths = Counter(reason for case in table.length_reasons[team] for reason in set(case.tolist()))
    known = [reason for reason in WORDS if maps[reason] or lengths[reason]]
    other = (set(maps) | set(lengths)) - set(WORDS) - NOT_A_FAULT
    rows = [(WORDS[reason], maps[reason], lengths[reason]) for reason in known]
    if other:
        rows.append((OTHER, sum(maps[r] for r in other), sum(lengths[r] for r in other)))
    return rows


def _words(reasons: Iterable[str]) -> list[str]:
    """Once each; a reason of the whole file leaves no other to tell."""
    found = set(reasons) - NOT_A_FAULT - _COUNTED_ONLY
    found = found & FILE_REASONS or found
    known = [words for reason, words in WORDS.items() if reason in found]
    return [*known, OTHER] if found - set(WORDS) else known
