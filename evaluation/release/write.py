"""``score --release``: a folder that may be published as it is, built from the results by the list of kinds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.harness.record import RunRecord
from evaluation.ranking.leaderboard import BIOMETRY_COLUMNS, SEGMENTATION_COLUMNS, LeaderboardGroup, Row, as_csv
from evaluation.ranking.results import Results
from evaluation.release.case_names import key_of, made_up_names, write_table
from evaluation.release.folder import check_folder, write_folder
from evaluation.release.kinds import Kind, ReleaseFile
from evaluation.release.pages import page_addresses, render_report, render_team
from evaluation.release.policy import ReleasePolicy
from evaluation.release.published import Published, check_size, rounded
from evaluation.release.team_summary import Summaries
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from feta.errors import FetaError
from feta.labels import TISSUES

CASE_COLUMNS = ("team", "case", "label", "metric", "value", "reason")


@dataclass(frozen=True)
class ReleasePlan:
    """Where a release goes, and by which policy."""

    folder: Path
    policy: ReleasePolicy

    def check(self, cases: int, teams: Sequence[str], *others: Path) -> None:
        """Find in the first second what would otherwise be found after hours of measuring.

        Args:
            cases: of the truth.
            teams: that will be scored.
            others: folders that must not lie in the release, nor be it.

        Raises:
            FetaError: too few cases, a team of the policy that isn't there, or a folder that can't be used.
        """
        for other in others:
            if other.resolve().is_relative_to(self.folder.resolve()):
                raise FetaError(self.folder, f"holds {other}, which would be published", "choose a folder of its own")
        check_size(cases, self.policy)
        pages_of(self.policy, teams)
        check_folder(self.folder)


def write_release(plan: ReleasePlan, scores: Path, results: Results, record: RunRecord) -> tuple[str, ...]:
    """Write a release.

    Args:
        scores: the folder with everything, where the key of made-up names and their table are kept.
        record: how the teams' containers ran.

    Returns:
        A line for each thing that was left out, for the organizer.

    Raises:
        FetaError: there are too few cases, a team of the policy isn't there, or a folder can't be used.
    """
    published = Published(results, plan.policy)
    names = made_up_names(key_of(scores), results.table.cases)
    write_table(scores, results.table.cases, names)
    write_folder(plan.folder, list(release_files(published, names, record)), plan.policy.kinds)
    return published.warnings


def release_files(published: Published, names: Sequence[str], record: RunRecord) -> Iterator[ReleaseFile]:
    """Every file of a release.

    Args:
        names: (C,) made-up names of the cases.

    Raises:
        FetaError: the policy names a team that isn't there.
    """
    table = published.table
    for task, columns, boards in (
        ("segmentation", SEGMENTATION_COLUMNS, published.segmentation()),
        ("biometry", BIOMETRY_COLUMNS, published.biometry()),
    ):
        if boards:
            yield ReleaseFile(Kind.LEADERBOARD, f"leaderboard_{task}.csv", as_csv(columns, _rows(boards)))
    chosen = pages_of(published.policy, table.teams)
    addresses = page_addresses(chosen)
    yield ReleaseFile(Kind.REPORT, "index.html", render_report(published, record, addresses))
    summaries = Summaries(published, names, record)
    place = {team: t for t, team in enumerate(table.teams)}
    for team, address in addresses.items():
        yield ReleaseFile(Kind.TEAM_PAGE, address, render_team(published, summaries.of(place[team])))
    if published.policy.by_case:
        yield ReleaseFile(Kind.CASE_TABLE, "cases.csv", as_csv(CASE_COLUMNS, _case_rows(table, names)))


def pages_of(policy: ReleasePolicy, teams: Sequence[str]) -> tuple[str, ...]:
    """The teams that get a page.

    Raises:
        FetaError: the policy names one that isn't there.
    """
    for name in policy.teams:
        if name not in teams:
            some = ", ".join(teams[:10]) + (" …" if len(teams) > 10 else "")
            raise FetaError("--release-policy", f"teams: there is no team {name!r}", f"there are {some}")
    return tuple(policy.teams or teams)


def _rows(boards: Sequence[LeaderboardGroup]) -> Iterator[Row]:
    for board in boards:
        yield from board.rows


def _case_rows(table: ScoreTable, names: Sequence[str]) -> Iterator[Row]:
    """Segmentation scores alone: a true length would follow from its error and the team's own length."""
    order = sorted(range(len(names)), key=lambda c: names[c])
    for t, team in enumerate(table.teams):
        for c in order:
            for label, metric in np.ndindex(table.values.shape[2:]):
                yield {
                    "team": team,
                    "case": names[c],
                    "label": int(TISSUES[label]),
                    "metric": SEGMENTATION_METRICS[metric],
                    "value": rounded(table.values[t, c, label, metric]),
                    "reason": str(table.reasons[t, c, label, metric]),
                }
