"""Everything that a release can hold. What is not in this list can't be written into one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of file that may be published. There is none for pictures, for logs, or for the truth, on purpose."""

    LEADERBOARD = "leaderboard"
    REPORT = "report"
    TEAM_PAGE = "team-page"
    CASE_TABLE = "case-table"
    CONTENTS = "contents"


@dataclass(frozen=True)
class KindRule:
    """What a kind's files are called, and what they hold."""

    path: re.Pattern[str]
    holds: str


RULES = {
    Kind.LEADERBOARD: KindRule(
        re.compile(r"leaderboard_(segmentation|biometry)\.csv"),
        "ranks, rank ranges and means over all cases; by site only where the policy says so",
    ),
    Kind.REPORT: KindRule(
        re.compile(r"index\.html"), "the leaderboards, how stable they are, means by tissue, penalties by reason"
    ),
    Kind.TEAM_PAGE: KindRule(
        re.compile(r"teams/[A-Za-z0-9_-][A-Za-z0-9._-]*\.html"),
        "one team: failed cases under a made-up name, means by tissue, topology, lengths, run times",
    ),
    Kind.CASE_TABLE: KindRule(
        re.compile(r"cases\.csv"),
        "segmentation scores by case, under made-up names; only where the policy says by_case: true",
    ),
    Kind.CONTENTS: KindRule(re.compile(r"contents\.json"), "this list: each file, its kind and its sha256"),
}


@dataclass(frozen=True)
class ReleaseFile:
    """A file of a release.

    Raises:
        ValueError: a file of this kind is not called so.
    """

    kind: Kind
    path: str
    content: str

    def __post_init__(self) -> None:
        if not RULES[self.kind].path.fullmatch(self.path):
            raise ValueError(f"{self.path!r} is no name for a file of kind {self.kind}")
