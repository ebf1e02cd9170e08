"""How the teams' containers ran and what kept them apart, as tables of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluation.harness.case_state import MEANING, CaseState
from evaluation.harness.engine_offers import MEANS, Wall
from evaluation.harness.record import Place, TeamRun
from evaluation.harness.status import clock
from evaluation.report.cells import ReportTable, TableCell, text_cell


def run_table(runs: Mapping[str, TeamRun]) -> ReportTable | None:
    """A row for each team; a column for each way in which any case ended. None where no runner was at work."""
    if not runs:
        return None
    states = _states(runs)
    headings = ("Called as", "Device", "Time", *(state.value for state in states), "Exceptions")
    rows = []
    for team, run in runs.items():
        granted = ", ".join(run.exceptions) or "none"
        counts = (str(run.cases.get(state.value, 0)) for state in states)
        words = (team, run.convention, run.device or "–", clock(run.seconds), *counts)
        why = f" ({run.why})" if run.why else ""
        rows.append(tuple(TableCell(text, text) for text in (*words, granted + why)))
    return ReportTable("How containers ended", headings, tuple(rows))


def wall_table(places: Sequence[Place]) -> ReportTable | None:
    """A row for each wall; a column for each kind of place where containers ran. None where none is on record."""
    if not places:
        return None
    headings = tuple(f"{place.engine}; {place.way}" for place in places)
    rows = []
    for wall in Wall:
        kept = ("NOT kept" if wall in place.lacks else "kept" for place in places)
        rows.append(tuple(text_cell(text) for text in (f"{wall}: {MEANS[wall]}", *kept)))
    return ReportTable("What kept containers apart", headings, tuple(rows))


def run_words(runs: Mapping[str, TeamRun]) -> list[tuple[str, str]]:
    """Each state that occurs, and what it means."""
    return [(state.value, MEANING[state]) for state in _states(runs) if state in MEANING]


def _states(runs: Mapping[str, TeamRun]) -> list[CaseState]:
    return [state for state in CaseState if any(run.cases.get(state.value) for run in runs.values())]
