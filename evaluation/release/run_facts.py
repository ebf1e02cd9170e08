"""How a team's containers ran, as far as it may be told: in our own words, and no time beside a case."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.harness.case_state import MEANING, CaseState
from evaluation.harness.record import CaseRun, RunRecord
from evaluation.harness.status import clock


def run_facts(record: RunRecord, team: str, runs: Mapping[str, CaseRun]) -> tuple[tuple[str, str], ...]:
    """Of a team's containers, rounded to seconds: a time by case could tell what a container read there."""
    if team not in record.teams:
        return ()
    run = record.teams[team]
    counts = [(state, run.cases.get(state.value, 0)) for state in CaseState]
    facts = [("Called as", run.convention), ("Device", run.device or "not recorded")]
    ended = [f"{n} {state.value} ({MEANING[state]})" if state in MEANING else f"{n} {state.value}"
             for state, n in counts if n]  # fmt: skip
    facts.append(("Cases", "; ".join(ended) or "none"))
    seconds = [case.seconds for case in runs.values() if case.seconds and case.state is not CaseState.OUT_OF_TIME]
    facts.append(("Time of all cases", clock(run.seconds)))
    if seconds:
        facts.append(("Time of a case", f"median {clock(float(np.median(seconds)))}, longest {clock(max(seconds))}"))
    if record.limits is not None:
        facts.append(("Limit of a case", clock(record.limits.case_seconds)))
        needed = run.cases.get(CaseState.OUT_OF_MEMORY.value, 0)
        said = f"limit {record.limits.memory_mb} MB; cases that needed more: {needed}; the peak is not recorded"
        facts.append(("Memory", said))
    return tuple(facts)
