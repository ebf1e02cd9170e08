"""One image on some cases, under the organizer's rules: the runner itself, with a roster of one team."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.harness.case_state import CaseRow
from evaluation.harness.context import RunFolders, log_path
from evaluation.harness.conventions import case_id, make_jobs
from evaluation.harness.roster import Roster, Team
from evaluation.harness.run import run
from evaluation.harness.workers import OnCasesDone
from evaluation.rehearsal.findings import Finding, Seen, findings_of
from evaluation.rehearsal.sampling import sampled
from evaluation.submissions.validation import validate
from feta.cases import Case, find_cases, label_map_path
from feta.files import read_text

_PRINTED = "--- what it printed"


@dataclass(frozen=True)
class Rehearsal:
    """What came of it.

    Attributes:
        team: as it was called in the run.
        rows: how each case ended.
        findings: see ``findings_of``.
    """

    team: Team
    rows: tuple[CaseRow, ...]
    findings: tuple[Finding, ...]

    @property
    def lost(self) -> bool:
        """Whether anything would be penalised."""
        return any(finding.weight == "lost" for finding in self.findings)


def named_anew(team: Team) -> Team:
    """The team under a name that no other team of this engine has."""
    return Team(f"rehearsal-{secrets.token_hex(4)}", team.image, team.convention, team.exceptions)


def cases_in(folder: Path) -> Path:
    """The volumes of a folder: its ``input``, where it is one of ``feta-train data simulate``, or else itself."""
    return folder / "input" if (folder / "input").is_dir() and (folder / "truth").is_dir() else folder


def rehearse(roster: Roster, input_: Path, output: Path, on_cases_done: OnCasesDone) -> Rehearsal:
    """Run the roster's only team on all cases, and say what the organizer would not take.

    Args:
        roster: limits, GPUs, and one team.
        input_: as for ``feta-evaluate run``.
        output: an empty folder; holds the run's state, logs and results afterwards.

    Raises:
        FetaError: image, input, output or engine can't be used.
    """
    (team,) = roster.teams
    with sampled(team.name) as highest:
        rows = run(roster, input_, output, on_cases_done)
    folders, cases = RunFolders(output), find_cases(input_).cases
    results = folders.submissions / team.name
    verdict = validate(results, input_)
    logs, notes = read_logs(folders, team, cases)
    seen = Seen(
        rows, roster.limits, frozenset(case_id(case) for case in cases if label_map_path(results, case).is_file()),
        logs, notes, highest, verdict.problems, verdict.messages,
    )  # fmt: skip
    return Rehearsal(team, tuple(rows), tuple(findings_of(seen)))


def read_logs(folders: RunFolders, team: Team, cases: Sequence[Case]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What each container of a team printed, and the runner's notes on it, by the job's label."""
    logs, notes = {}, {}
    for job in make_jobs(team, cases):
        path = log_path(folders, job)
        if path.exists():
            head, _, printed = read_text(path, 1 << 30).partition(_PRINTED)
            logs[job.label] = printed.partition("\n")[2]
            lines = [line.removeprefix("note: ") for line in head.splitlines() if line.startswith("note: ")]
            notes.update({job.label: lines} if lines else {})
    return logs, notes
