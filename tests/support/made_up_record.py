"""How containers that never were ran."""

from __future__ import annotations

from evaluation.harness.case_state import CaseState
from evaluation.harness.record import CaseRun, RunRecord, TeamRun
from evaluation.harness.roster import ResourceLimits
from evaluation.scoring.score_table import ScoreTable


def record_of(table: ScoreTable) -> RunRecord:
    """A minute a case and 500 MB; the fourth case of each team timed out."""
    cases = {case.name: CaseRun(CaseState.DONE, 60.0, 500 << 20) for case in table.cases}
    cases[table.cases[3].name] = CaseRun(CaseState.TIMED_OUT, 1800.0)
    run = TeamRun("i", "i", "folder", "GPU 0", ("root",), "", {"done": len(cases) - 1, "timed-out": 1}, 3725.0)
    return RunRecord(dict.fromkeys(table.teams, run), dict.fromkeys(table.teams, cases), ResourceLimits())
