"""Which team is better: the challenge's ranking and two other schemes.

A scheme says what is averaged over cases and when teams are ranked (definitions: FeTA 2024
paper; Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing
challenge results"). All are written as one shape of sum, so that one function ranks the cohort,
a site of it, and a thousand bootstrap samples. Ties share the smallest rank: 1, 2, 2, 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from evaluation.choices import RankingScheme
from evaluation.scoring.score_table import HIGHER_IS_BETTER, RANKED_METRICS, SEGMENTATION_METRICS, ScoreTable
from feta.measurements import MEASUREMENTS

Floats = npt.NDArray[np.float64]
SCHEMES: tuple[RankingScheme, ...] = ("paper", "per-case", "per-label")
#: Sums of the same numbers in another order differ in the last bits; equal teams must tie.
SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class RankingUnits:
    """What a scheme averages over cases, smaller is better. T teams, C cases, U units.

    Attributes:
        totals: (T, C, U) float64, each case's contribution; 0 where it has none.
        counts: (C, U) float64, how many values stand behind each contribution.
        column: (U,) int, the metric or measurement that a unit belongs to.
        columns: names of those metrics or measurements.
        ranked: whether teams are ranked by each unit's mean (else the mean itself is compared).
    """

    totals: Floats
    counts: Floats
    column: npt.NDArray[np.int_]
    columns: tuple[str, ...]
    ranked: bool


@dataclass(frozen=True)
class Ranking:
    """The order of T teams over some cases.

    Attributes:
        score: (T,) float64, what the final rank is made of: mean rank, or pooled MAPE.
        rank: (T,) int, 1 is best.
        columns: the metrics or measurements that were ranked.
        column_ranks: (T, K) float64, mean rank of each team in each column.
    """

    teams: tuple[str, ...]
    scheme: RankingScheme
    score: Floats
    rank: npt.NDArray[np.int_]
    columns: tuple[str, ...]
    column_ranks: Floats

    def order(self) -> list[int]:
        """Indices of the teams, best first; ties by name."""
        return sorted(range(len(self.teams)), key=lambda t: (self.rank[t], self.teams[t].casefold(), self.teams[t]))


def min_ranks(values: npt.ArrayLike, axis: int = -1) -> npt.NDArray[np.int_]:
    """Competition ranks along an axis, smallest value first; ties share the smallest rank (1, 2, 2, 4)."""
    rounded = _rounded(np.asarray(values, dtype=np.float64))
    unknown = np.isnan(rounded)
    # What is not known ranks first, and moves no other.
    ranks = rankdata(np.where(unknown, np.inf, rounded), method="min", axis=axis)
    return np.where(unknown, 1, ranks).astype(np.int_)


def segmentation_units(table: ScoreTable, scheme: RankingScheme) -> RankingUnits:
    """Units of the segmentation task: 4 metrics, or 7 labels × 4 metrics."""
    worse = np.where(table.mapped[:, None, None], as_costs(table), 0.0)
    teams, cases, _, metrics = worse.shape
    if scheme == "paper":
        worse = worse.mean(axis=2, keepdims=True)
    elif scheme == "per-case":
        worse = np.where(table.mapped[:, None, None], min_ranks(worse, axis=0), 0.0)
    totals = worse.reshape(teams, cases, -1)
    units = totals.shape[2]
    counts = np.repeat(table.mapped[:, None].astype(np.float64), units, axis=1)
    return RankingUnits(totals, counts, np.arange(units) % metrics, RANKED_METRICS, ranked=scheme != "per-case")


def biometry_units(table: ScoreTable, scheme: RankingScheme) -> RankingUnits:
    """Units of the biometry task: all (case, measurement) pairs pooled, or the 5 measurements."""
    known = np.isfinite(table.true_lengths)
    errors = np.where(known, table.counted_errors, 0.0)
    if scheme == "per-case":
        errors = np.where(known, min_ranks(errors, axis=0), 0.0)
    counts = known.astype(np.float64)
    if scheme == "per-label":
        return RankingUnits(errors, counts, np.arange(len(MEASUREMENTS)), tuple(MEASUREMENTS), ranked=True)
    pooled = errors.sum(axis=2, keepdims=True)
    return RankingUnits(pooled, counts.sum(axis=1, keepdims=True), np.zeros(1, int), ("mape",), ranked=False)


def as_costs(table: ScoreTable) -> Floats:
    """The ranked metrics as they count, (T, C, 7, 4), turned so that smaller is better; NaN without a true map."""
    index = [SEGMENTATION_METRICS.index(metric) for metric in RANKED_METRICS]
    sign = np.array([-1.0 if metric in HIGHER_IS_BETTER else 1.0 for metric in RANKED_METRICS])
    return table.counted[..., index] * sign


def unit_scores(units: RankingUnits, weights: Floats) -> Floats:
    """Each team's mean (or its rank) in each unit, for B ways of weighting the cases.

    Args:
        weights: (B, C), how often each case counts.

    Returns:
        (B, T, U); NaN where no value stands behind a unit.
    """
    teams, cases, width = units.totals.shape
    sums = weights @ units.totals.transpose(1, 0, 2).reshape(cases, teams * width)
    counts = (weights @ units.counts)[:, None, :]
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums.reshape(-1, teams, width) / counts, np.nan)
    if not units.ranked:
        return means
    return np.where(np.isnan(means), np.nan, min_ranks(means, axis=1))


def final_scores(per_unit: Floats) -> Floats:
    """(B, T, U) → (B, T): the mean over units, of those that any value stands behind."""
    known = ~np.isnan(per_unit)
    with np.errstate(invalid="ignore"):
        return np.where(known, per_unit, 0.0).sum(axis=2) / known.sum(axis=2)


def rank_units(
    units: RankingUnits, teams: tuple[str, ...], scheme: RankingScheme, members: npt.NDArray[np.bool_]
) -> Ranking | None:
    """Ranking over the cases that ``members`` (C,) selects; None where nothing was measured."""
    if not units.counts[members].any():
        return None
    per_unit = unit_scores(units, members[None].astype(np.float64))
    score = final_scores(per_unit)[0]
    by_column = [final_scores(per_unit[..., units.column == k])[0] for k in range(len(units.columns))]
    return Ranking(teams, scheme, score, min_ranks(score), units.columns, np.stack(by_column, axis=1))


def rank(table: ScoreTable, scheme: RankingScheme = "paper") -> tuple[Ranking | None, Ranking | None]:
    """Segmentation and biometry rankings of the whole cohort; None where there is no ground truth for one."""
    everyone = np.ones(len(table.cases), dtype=bool)
    return (
        rank_units(segmentation_units(table, scheme), table.teams, scheme, everyone),
        rank_units(biometry_units(table, scheme), table.teams, scheme, everyone),
    )


def _rounded(values: Floats) -> Floats:
    """Values to 12 significant digits, which keeps their order."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** np.floor(np.log10(np.abs(values)))
        scaled = np.round(values / scale, SIGNIFICANT_DIGITS - 1) * scale
    return np.where(np.isfinite(scaled), scaled, values)
