"""Subsets of the cases that leaderboards and the report look at one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import CaseInfo, ScoreTable

EVERYWHERE = "all"
NOT_SAID = "not given"
#: Upper edges of the age bands in weeks: second trimester, early and late third.
AGE_EDGES = (24.0, 28.0, 32.0)
QUALITY_EDGES = (1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Group:
    """A named subset: ``members`` is (C,) bool."""

    name: str
    members: npt.NDArray[np.bool_]

    @property
    def size(self) -> int:
        return int(self.members.sum())


def everyone(table: ScoreTable) -> Group:
    """All cases, as a group."""
    return Group(EVERYWHERE, np.ones(len(table.cases), dtype=bool))


def by_site(table: ScoreTable) -> list[Group]:
    """All cases first, then each site by name."""
    return [everyone(table), *_split(table, lambda case: case.site)]


def by_attribute(table: ScoreTable) -> dict[str, list[Group]]:
    """The partitions that the report shows, without those about which nothing is known."""
    partitions = {
        "Site": _split(table, lambda case: case.site),
        "Domain": _split(table, lambda case: _either(case.in_domain, "in domain", "out of domain")),
        "Field strength": _split(table, lambda case: case.field_strength),
        "Pathology": _split(table, lambda case: case.pathology),
        "Age band": _split(table, lambda case: band(case.age, AGE_EDGES, " weeks")),
        "Image quality": _split(table, lambda case: band(case.quality, QUALITY_EDGES, "")),
        "Reconstruction": _split(table, lambda case: case.reconstruction),
    }
    return {title: groups for title, groups in partitions.items() if {g.name for g in groups} != {NOT_SAID}}


def band(value: float | None, edges: tuple[float, ...], unit: str) -> str | None:
    """Name of the interval between two edges that holds a value (lower edge included), e.g. "24 to below 28 weeks"."""
    if value is None or not np.isfinite(value):
        return None
    place = int(np.searchsorted(edges, value, side="right"))
    if place == 0:
        return f"below {edges[0]:g}{unit}"
    if place == len(edges):
        return f"{edges[-1]:g}{unit} and above"
    return f"{edges[place - 1]:g} to below {edges[place]:g}{unit}"


def _either(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else (yes if value else no)


def _split(table: ScoreTable, key: Callable[[CaseInfo], str | None]) -> list[Group]:
    names = [key(case) or NOT_SAID for case in table.cases]
    ordered = sorted(set(names), key=lambda name: (name == NOT_SAID, _band_order(name)))
    return [Group(name, np.array([n == name for n in names], dtype=bool)) for name in ordered]


def _band_order(name: str) -> tuple[int, str]:
    """Bands sort by their edge: "below …" first."""
    return (0 if name.startswith("below ") else 1, name)
