"""What scoring has to tell people beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.harness.record import TeamRun


@dataclass(frozen=True)
class ScoringNotes:
    """Remarks and provenance that accompany a ScoreTable into the report.

    Attributes:
        teams: for each team, one line for every file that was rejected or read with a remark.
        warnings: one line each; what concerns the truth or the run as a whole.
        policy: the penalties in force, plain JSON values.
        versions: program or library → version.
        command: the command line that was run, as typed.
        runs: how each team's containers ran, where the runner was at work.
    """

    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    policy: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    runs: Mapping[str, TeamRun] = field(default_factory=dict)
