"""What scoring tells people beside the numbers: messages about each team's files, warnings, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluation.scoring.case_task import CaseResult
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from evaluation.submissions.find import Submission
from feta.labels import TISSUE_NAMES, TISSUES
from feta.measurements import MEASUREMENTS

if TYPE_CHECKING:
    from evaluation.harness.record import Place, TeamRun
    from evaluation.scoring.confidence import ConfidenceScore

#: More lines about one team than these help nobody.
_MAX_LINES = 1000
_ED = SEGMENTATION_METRICS.index("ed")


@dataclass(frozen=True)
class ScoringMessages:
    """Messages and provenance that accompany a ScoreTable into the report.

    Attributes:
        teams: for each team, one line for every file that was rejected or accepted with a message.
        warnings: one line each; what concerns the truth or the run as a whole.
        policy: the penalties in force, plain JSON values.
        versions: program or library → version.
        command: the command line that was run, as typed.
        runs: how each team's containers ran, where the runner was at work.
        places: where they ran, likewise, and what kept them apart.
        confidence: what teams' own expectations are worth, of those that handed in any.
        edition: the year of the challenge, where the organizer says it.
    """

    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    policy: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    runs: Mapping[str, TeamRun] = field(default_factory=dict)
    places: Sequence[Place] = ()
    edition: int | None = None
    confidence: Mapping[str, ConfidenceScore] = field(default_factory=dict)


def team_lines(team: Submission, index: int, results: Sequence[CaseResult], table: ScoreTable) -> list[str]:
    """Messages about one team's files, first what was rejected.

    Args:
        index: of the team in the table.
        results: of each case of the table.
    """
    lines = [line for result in results for line in result.outcomes[index].lines]
    lines += _beyond_limits(table, index)
    keys = {case.name for case in table.cases} | {case.subject for case in table.cases}
    for files in (team.label_maps, team.lengths, team.confidence):
        lines += [f"{name}: is of no case of the truth; ignored" for k in files if k not in keys for name in files[k]]
    lines = [*dict.fromkeys([*lines, *team.messages])]
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES], f"… and {len(lines) - _MAX_LINES} more"]
    return lines


def _beyond_limits(table: ScoreTable, team: int) -> list[str]:
    """A line for each case with a measurement that counts less than it is."""
    limits = table.limits
    too_many = (table.values[team, ..., _ED] > limits.ed) & (table.reasons[team, ..., _ED] == "")
    too_long = (table.length_errors[team] > limits.length) & (table.length_reasons[team] == "")
    lines = []
    for c in np.flatnonzero(too_many.any(axis=1) | too_long.any(axis=1)):
        found = [
            f"ED of {TISSUE_NAMES[TISSUES[i]]} is {table.values[team, c, i, _ED]:.0f} and counts as {limits.ed:.0f}"
            for i in np.flatnonzero(too_many[c])
        ]
        found += [
            f"error of {MEASUREMENTS[k]} is {table.length_errors[team, c, k]:.0f} % and counts as {limits.length:.0f} %"
            for k in np.flatnonzero(too_long[c])
        ]
        lines.append(f"{table.cases[c].name}: {', '.join(found)}: no worse than missing")
    return lines
