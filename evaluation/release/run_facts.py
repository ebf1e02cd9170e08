"""How a team's containers ran, as far as it may be told: in our own words, and no time beside a case."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.harness.case_state import MEANING, CaseState
from evaluation.harness.record import CaseRun, RunRecord
from evaluation.harness.status import clock

_MB = 1 << 20


def run_facts(record: RunRecord, team: str, runs: Mapping[str, CaseRun], fewest: int) -> tuple[tuple[str, str], ...]:
    """Of a team's containers, in numbers of two digits, since a container could tell by them what it read.

    Args:
        runs: how each case's container ended, by the case's name.
        fewest: cases that a number may stand for.
    """
    if team not in record.teams:
        return ()
    run = record.teams[team]
    counts = [(state, run.cases.get(state.value, 0)) for state in CaseState]
    facts = [("Called as", run.convention), ("Device", run.device or "not recorded")]
    ended = [f"{n} {state.value} ({MEANING[state]})" if state in MEANING else f"{n} {state.value}"
             for state, n in counts if n]  # fmt: skip
    facts.append(("Cases", "; ".join(ended) or "none"))
    seconds = [case.seconds for case in runs.values() if case.seconds and case.state is not CaseState.OUT_OF_TIME]
    facts.append(("Time of all cases", clock(two_digits(run.seconds))))
    if len(seconds) >= fewest:
        facts.append(
            (
                "Time of a case",
                f"median {clock(two_digits(np.median(seconds)))}, longest {clock(two_digits(max(seconds)))}",
            )
        )
    if record.limits is not None:
        facts.append(("Limit of a case", clock(record.limits.case_seconds)))
        needed = run.cases.get(CaseState.OUT_OF_MEMORY.value, 0)
        seen = [case.memory / _MB for case in runs.values() if case.memory]
        most = f"{two_digits(max(seen)):.0f} MB, looked at once a second" if len(seen) >= fewest else "not recorded"
        facts.append(("Limit of memory", f"{record.limits.memory_mb} MB; cases that needed more: {needed}"))
        facts.append(("Most memory seen", most))
    return tuple(facts)


def two_digits(value: float) -> float:
    """A number with two significant digits."""
    return float(f"{value:.2g}")
