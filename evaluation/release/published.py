"""The numbers that may be published, taken one by one from the results: means over enough cases, rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evaluation.ranking.groups import Group, by_site
from evaluation.ranking.leaderboard import LeaderboardGroup, Row
from evaluation.ranking.results import Results
from evaluation.release.enough import Booleans, Enough
from evaluation.release.policy import ReleasePolicy
from evaluation.scoring.score_table import SEGMENTATION_METRICS, ScoreTable
from feta.errors import FetaError
from feta.measurements import MEASUREMENTS

#: Three decimals, as the challenge published its tables: from more of them, single cases could be told.
DIGITS = 3
#: Kept of a row of a leaderboard where a team's numbers are withheld; the score of biometry can be its mean error.
ALWAYS = ("site", "rank", "team", "rank_low", "rank_high", "cases")
SEGMENTATION = ("score", *SEGMENTATION_METRICS, "ed_floor", "dice_rank", "vs_rank", "hd95_rank", "ed_rank", "penalties")
LENGTHS = tuple(map(str, MEASUREMENTS))


@dataclass(frozen=True)
class Published:
    """What of some results may be published under a policy.

    Raises:
        FetaError: the cohort has too few cases for any mean.
    """

    results: Results
    policy: ReleasePolicy

    def __post_init__(self) -> None:
        check_size(len(self.results.table.cases), self.policy)
        check_size(int(self.table.mapped.sum()), self.policy)

    @property
    def table(self) -> ScoreTable:
        """Every score; nothing of it by case may be published."""
        return self.results.table

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Those that means may be published of: the cohort, and its sites where all of them are large enough.

        One site too small hides all: its mean would follow from the cohort's and the others'.
        """
        found = by_site(self.table)
        if not self.policy.by_site:
            return tuple(found[:1])
        known = np.isfinite(self.table.true_lengths).any(axis=1)
        sizes = [int((group.members & cases).sum()) for group in found for cases in (self.table.mapped, known)]
        return (
            tuple(found) if all(size == 0 or size >= self.policy.fewest_cases for size in sizes) else tuple(found[:1])
        )

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """A line for each thing that the policy allows and that is left out all the same; for the organizer alone."""
        fewest, lines = self.policy.fewest_cases, []
        if self.policy.by_site and len(self.groups) == 1:
            lines.append(f"release: by_site is left out, since a site has fewer than {fewest} cases")
        for what, fine in (("label", self.enough.each_label), ("length", self.enough.each_length)):
            if not fine:
                lines.append(f"release: no mean is told by {what}: the truth has one in fewer than {fewest} cases")
        for task, told in (("segmentation", self.enough.told), ("biometry", self.enough.lengths_told)):
            held = [team for team, fine in zip(self.table.teams, told, strict=True) if not fine]
            if held:
                who = ", ".join(held[:5]) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
                lines.append(f"release: the numbers of {task} are withheld for {who}: of fewer than {fewest} cases")
        return tuple(lines)

    @cached_property
    def enough(self) -> Enough:
        """Which means stand for enough cases."""
        return Enough(self.table, self.groups, self.policy.fewest_cases)

    def segmentation(self) -> tuple[LeaderboardGroup, ...]:
        """The leaderboards of the segmentation task with the rows that may be published."""
        return self._boards(self.results.segmentation, SEGMENTATION, self.enough.told)

    def biometry(self) -> tuple[LeaderboardGroup, ...]:
        """The same of the biometry task; empty where too few cases have a true length."""
        boards = self.results.biometry
        known = int(np.isfinite(self.table.true_lengths).any(axis=1).sum())
        if not boards or known < self.policy.fewest_cases:
            return ()
        return self._boards(boards, biometry_columns(self.enough), self.enough.lengths_told)

    def _boards(
        self, boards: Sequence[LeaderboardGroup], columns: tuple[str, ...], told: Booleans
    ) -> tuple[LeaderboardGroup, ...]:
        names = {group.name for group in self.groups}
        fine = dict(zip(self.table.teams, told.tolist(), strict=True))
        return tuple(
            replace(board, rows=tuple(published_row(row, columns, fine) for row in board.rows))
            for board in boards
            if board.group.name in names
        )


def check_size(cases: int, policy: ReleasePolicy) -> None:
    """See that a cohort is large enough for its means to be published.

    Raises:
        FetaError: it isn't.
    """
    if cases < policy.fewest_cases:
        problem = f"{cases} cases are too few to publish: a mean of fewer than {policy.fewest_cases} tells single cases"
        raise FetaError("--release", problem, "leave out --release, or lower fewest_cases in a --release-policy")


def biometry_columns(enough: Enough) -> tuple[str, ...]:
    """What of a row of the biometry task may be published, beside ALWAYS."""
    return ("score", "mape", *(LENGTHS if enough.each_length else ()), "penalties")


def rounded(value: float) -> float | None:
    """A number with the decimals that are published; None where there is none."""
    return round(float(value), DIGITS) if math.isfinite(value) else None


def published_row(row: Row, columns: Sequence[str], told: Mapping[str, bool]) -> Row:
    """A row of a leaderboard as it may be published: rounded, and of a team whose numbers are not told its rank.

    Args:
        columns: that are published, beside those of ALWAYS.
        told: team → whether its numbers are.
    """
    ranked = row.get("rank") is not None
    allowed = (*ALWAYS, *columns) if not ranked or told[str(row["team"])] else ALWAYS
    kept: Row = {name: row[name] for name in allowed if name in row}
    return {name: rounded(cell) if isinstance(cell, float) else cell for name, cell in kept.items()}
