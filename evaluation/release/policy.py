"""``policy.yaml``: what a release may hold beyond the least, and how few cases a published mean may stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation.release.kinds import Kind
from feta.settings import read_settings

DEFAULT = Path(__file__).with_name("policy.yaml")


@dataclass(frozen=True)
class ReleasePolicy:
    """What ``policy.yaml`` says; see there."""

    by_site: bool = False
    by_case: bool = False
    fewest_cases: int = 5
    teams: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.fewest_cases < 1:
            raise ValueError("fewest_cases must be at least 1")

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of files that a release by this policy may hold."""
        return frozenset(Kind) if self.by_case else frozenset(Kind) - {Kind.CASE_TABLE}


def read_release_policy(path: Path | None) -> ReleasePolicy:
    """Read a policy; None is the declared one.

    Raises:
        FetaError: it can't be read, or an entry is unknown or of another type.
    """
    return read_settings(ReleasePolicy, path or DEFAULT)
