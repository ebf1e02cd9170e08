"""Rows as arrays of signals and targets, and which individuals are left out together."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.confidence.quality_model import ERROR_LEAST, HD95_LEAST_MM, Figure
from training.confidence.rows import CaseRow

Array = npt.NDArray[np.float64]
FOLDS = 5
#: Share of the rows whose lengths are taken as they are found with the age.
WITH_AGE = 0.7
#: A tissue that was not found is this far off, mm.
MOST_HD95_MM = 60.0


def with_age(row: CaseRow) -> bool:
    """Whether a row's lengths are taken with the age; drawn by its name."""
    return hashlib.sha256(row.name.encode()).digest()[0] / 256 < WITH_AGE


@dataclass(frozen=True)
class Table:
    """Rows as arrays: signals (N·E, F) and targets (N·E,) of each figure; NaN where there is no truth."""

    rows: tuple[CaseRow, ...]
    signals: Mapping[Figure, Array]
    targets: Mapping[Figure, Array]

    @classmethod
    def of(cls, rows: Sequence[CaseRow]) -> Table:
        """Of rows whose volumes were segmented."""
        kept = tuple(row for row in rows if not row.refused and row.volumes.any())
        signals = [row.signals(with_age=with_age(row)) for row in kept]
        tissues = np.concatenate([each.of_tissues() for each in signals])
        lengths = np.concatenate([each.of_lengths() for each in signals])
        targets = {
            Figure.DICE: np.concatenate([row.dice for row in kept]),
            Figure.HD95: np.log(np.minimum(np.concatenate([row.hd95 for row in kept]), MOST_HD95_MM) + HD95_LEAST_MM),
            Figure.VOLUME: _log_error(np.stack([r.volumes for r in kept]), np.stack([r.true_volumes for r in kept])),
            Figure.LENGTH: _log_error(np.stack([_values(r) for r in kept]), np.stack([r.true_lengths for r in kept])),
        }
        return cls(kept, {f: lengths if f is Figure.LENGTH else tissues for f in Figure}, targets)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The rows chosen (N,)."""
        rows = tuple(row for row, taken in zip(self.rows, chosen, strict=True) if taken)
        return Table(
            rows,
            {f: self.signals[f][np.repeat(chosen, f.elements)] for f in Figure},
            {f: self.targets[f][np.repeat(chosen, f.elements)] for f in Figure},
        )

    def without(self, columns: Sequence[int]) -> Table:
        """The same with some of the signals of the tissues unknown."""
        tissues = self.signals[Figure.DICE].copy()
        tissues[:, list(columns)] = np.nan
        signals = {f: self.signals[f] if f is Figure.LENGTH else tissues for f in Figure}
        return dataclasses.replace(self, signals=signals)


def _values(row: CaseRow) -> Array:
    found = row.lengths(with_age=with_age(row))
    return np.full(5, np.nan) if found is None else found.values


def _log_error(found: Array, true: Array) -> Array:
    """ln of how far ln of sizes (N, E) is off, (N·E,); NaN without a truth."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(np.log(np.maximum(found, 1e-3) / np.maximum(true, 1e-3)))
    return np.log(np.minimum(off, 3.0) + ERROR_LEAST).ravel()


def folds_of(rows: Sequence[CaseRow], count: int = FOLDS) -> npt.NDArray[np.int64]:
    """(N,) the fold of each row; all rows of an individual are in one."""
    names = sorted({f"{row.cohort}/{row.individual}" for row in rows})
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[i]: k % count for k, i in enumerate(order)}
    return np.array([fold[f"{row.cohort}/{row.individual}"] for row in rows])
