"""What could make a case hard: image quality, gestational age, pathology, and site with reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.scoring.score_table import CaseInfo

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int_]
QUALITY, AGE, PATHOLOGY, SITE = "image quality", "gestational age", "pathology", "site and reconstruction"
UNITS = {QUALITY: "", AGE: " weeks"}
#: More distinct numbers than these are put into as many groups of like size.
MOST_LEVELS = 10


@dataclass(frozen=True)
class Factor:
    """One property of C cases.

    Attributes:
        values: (C,) float64; of a category, the place of its name in ``names``. NaN where it isn't known.
        names: of a category's values; empty for numbers.
    """

    name: str
    values: Floats
    names: tuple[str, ...] = ()

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.values)

    def at(self, members: npt.NDArray) -> Factor:
        """The factor of some cases (indices, or a mask of them); names that none of them has are left out."""
        values = self.values[members]
        if not self.names:
            return Factor(self.name, values)
        used = np.unique(values[np.isfinite(values)]).astype(int)
        place = np.full(len(self.names), np.nan)
        place[used] = np.arange(len(used))
        moved = np.where(np.isfinite(values), place[np.nan_to_num(values).astype(int)], np.nan)
        return Factor(self.name, moved, tuple(self.names[i] for i in used))

    def columns(self) -> Floats:
        """(C, K): a number as it is, a category of two as 0 and 1, of more as one column for each."""
        if len(self.names) <= 2:
            return self.values[:, None]
        return (self.values[:, None] == np.arange(len(self.names))).astype(np.float64)


@dataclass(frozen=True)
class Levels:
    """The groups between which a factor's size is measured: names, and (C,) which of them each case is in."""

    names: tuple[str, ...]
    member: Integers


def factors_of(cases: Sequence[CaseInfo]) -> list[Factor]:
    """The four factors of the challenge's analysis, as far as the cases' table tells them."""
    numbers = {QUALITY: [case.quality for case in cases], AGE: [case.age for case in cases]}
    places = [f"{case.site}, {case.reconstruction}" if case.reconstruction else case.site for case in cases]
    return [
        *(Factor(name, np.array(values, dtype=np.float64)) for name, values in numbers.items()),
        category(PATHOLOGY, [case.pathology for case in cases]),
        category(SITE, places),
    ]


def category(name: str, values: Sequence[str | None]) -> Factor:
    """A factor of names, in alphabetical order."""
    names = sorted({value for value in values if value})
    return Factor(name, np.array([names.index(v) if v else np.nan for v in values]), tuple(names))


def levels_of(factor: Factor) -> Levels:
    """Each name of a category, each number where there are few, else ten groups of like size, by value."""
    if factor.names:
        return Levels(factor.names, factor.values.astype(np.int_))
    distinct, member = np.unique(factor.values, return_inverse=True)
    if len(distinct) <= MOST_LEVELS:
        return Levels(tuple(f"{value:g}{UNITS.get(factor.name, '')}" for value in distinct), member)
    edges = np.unique(np.quantile(factor.values, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1]))
    member = np.searchsorted(edges, factor.values, side="right")
    used, member = np.unique(member, return_inverse=True)
    return Levels(tuple(_span(factor.name, factor.values[member == k]) for k in range(len(used))), member)


def _span(name: str, values: Floats) -> str:
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return f"{low if low == high else f'{low}–{high}'}{UNITS.get(name, '')}"
