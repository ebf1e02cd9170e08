"""How far a ranking is to be trusted: bootstrap, pairwise tests, agreement between rankings.

As challengeR reports it (Wiesenfarth et al. 2021): bootstrap over cases, here within each site;
one-sided Wilcoxon signed-rank tests with Holm's correction; Kendall's tau.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, wilcoxon

from evaluation.ranking.schemes import Floats, RankingUnits, as_costs, final_scores, min_ranks, unit_scores
from evaluation.scoring.score_table import RANKED_METRICS, ScoreTable

BOOTSTRAPS = 1000
LEVEL = 0.05
#: Beyond so many teams, pairs of them are neither tested nor drawn: there would be a million for a thousand.
MOST_COMPARED = 100
#: So many numbers of a bootstrap are held at once; of so few teams all pairs are.
_AT_ONCE, _FEW = 1 << 24, 64
Integers = npt.NDArray[np.int_]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Stability:
    """What B bootstrap samples of the cases say about a ranking of T teams.

    Attributes:
        low, high: (T,) int, the range that holds the middle 95 % of a team's ranks.
        frequency: (T, T) float64, share of samples in which team t got rank r + 1.
        tau: (B,) float64, Kendall's tau of each sample's ranking with the full one.
        told: whether the samples differ at all; where each site has one case they can't, and say nothing.
        fixed: sites with a single case, which is in every sample once.
    """

    low: Integers
    high: Integers
    frequency: Floats
    tau: Floats
    told: bool = True
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Significance:
    """One metric's pairwise tests. Row: the team said to be better; column: the other.

    Attributes:
        p: (T, T) float64, Holm-adjusted p of "row better than column"; 1 on the diagonal.
        better: (T, T) bool, p below the level.
    """

    metric: str
    p: Floats
    better: Booleans


def case_weights(sites: Sequence[str], members: Booleans, samples: int, seed: int) -> Floats:
    """(B, C): how often each case is drawn, with replacement within its site; 0 outside ``members``."""
    generator = np.random.default_rng(seed)
    weights = np.zeros((samples, len(sites)))
    for site in sorted({site for site, member in zip(sites, members, strict=True) if member}):
        index = np.flatnonzero([member and s == site for s, member in zip(sites, members, strict=True)])
        weights[:, index] = generator.multinomial(len(index), np.full(len(index), 1 / len(index)), size=samples)
    return weights


def bootstrap(
    units: RankingUnits,
    sites: Sequence[str],
    members: Booleans,
    ranks: Integers,
    *,
    seed: int = 0,
    samples: int = BOOTSTRAPS,
) -> Stability:
    """Rank the teams again on bootstrap samples of the cases (Wiesenfarth et al. 2021).

    Args:
        sites: the site of each of C cases; a sample holds as many cases of a site as the cohort.
        members: (C,) bool, the cases that are ranked.
        ranks: (T,) the ranks on the cohort itself.
    """
    weights = case_weights(sites, members, samples, seed)
    pieces = math.ceil(samples * units.totals[:, 0].size / _AT_ONCE)
    scores = np.concatenate([final_scores(unit_scores(units, piece)) for piece in np.array_split(weights, pieces)])
    usable = ~np.isnan(scores).any(axis=1)
    sampled = min_ranks(scores[usable], axis=1)
    low, high = np.percentile(sampled, [2.5, 97.5], axis=0, method="inverted_cdf").astype(int)
    teams = len(ranks)
    places = np.bincount((np.arange(teams) * teams + sampled - 1).ravel(), minlength=teams**2).reshape(teams, teams)
    frequency = places / max(len(sampled), 1)
    counted = [site for site, known in zip(sites, members & units.counts.any(axis=1), strict=True) if known]
    fixed = tuple(sorted(site for site, cases in Counter(counted).items() if cases == 1))
    told = len(fixed) < len(set(counted)) or len(ranks) == 1  # a team alone is the first, whatever is drawn
    return Stability(low, high, frequency, kendall_tau(sampled, ranks), told, fixed)


def kendall_tau(rankings: Integers, reference: Integers) -> Floats:
    """Kendall's tau-b (Kendall 1945) of each of (B, T) rankings with one (T,); 1 where neither tells teams apart."""
    flat, same = (rankings == rankings[:, :1]).all(axis=1), bool((reference == reference[0]).all())
    tau = _tau_by_pairs(rankings, reference) if len(reference) <= _FEW else _tau_by_sorting(rankings, reference)
    return np.where(flat | same, (flat & same).astype(np.float64), tau)


def _tau_by_pairs(rankings: Integers, reference: Integers) -> Floats:
    """Of all rankings at once, in memory that grows with the square of the teams; anything where one is all tied."""
    one, two = np.triu_indices(len(reference), k=1)
    signs = np.sign(rankings[:, one] - rankings[:, two])
    expected = np.sign(reference[one] - reference[two])
    norm = np.sqrt((signs != 0).sum(axis=1) * float((expected != 0).sum()))
    return np.asarray((signs * expected).sum(axis=1) / np.where(norm > 0, norm, 1.0))


def _tau_by_sorting(rankings: Integers, reference: Integers) -> Floats:
    """Of one ranking after another; NaN where one is all tied."""
    return np.array([kendalltau(ranking, reference).statistic for ranking in rankings])


def segmentation_significance(table: ScoreTable) -> list[Significance]:
    """For each ranked metric: which team is significantly better than which, on means over labels.

    None of more teams than MOST_COMPARED.
    """
    if len(table.teams) > MOST_COMPARED:
        return []
    costs = as_costs(table)[:, table.mapped].mean(axis=2)
    return [_significance(metric, costs[..., k]) for k, metric in enumerate(RANKED_METRICS)]


def biometry_significance(table: ScoreTable) -> Significance | None:
    """The same for the mean relative error of a case; None where the truth has no lengths."""
    errors = case_errors(table)
    return None if errors is None or len(table.teams) > MOST_COMPARED else _significance("mape", errors)


def case_errors(table: ScoreTable) -> Floats | None:
    """(T, cases with a true length) float64: mean relative error of a case in percent; None without such a case."""
    known = np.isfinite(table.true_lengths)
    measured = known.any(axis=1)
    if not measured.any():
        return None
    return np.where(known, table.counted_errors, 0.0)[:, measured].sum(axis=2) / known[measured].sum(axis=1)


def holm(p: Floats) -> Floats:
    """Step-down adjustment (Holm 1979) of any number of p-values, in their order."""
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def _significance(metric: str, costs: Floats) -> Significance:
    """Tests on (T, C) costs, all ordered pairs of teams corrected together."""
    teams = len(costs)
    pairs = [(a, b) for a in range(teams) for b in range(teams) if a != b]
    p = np.ones((teams, teams))
    raw = np.array([_one_sided(costs[a], costs[b]) for a, b in pairs])
    for (a, b), value in zip(pairs, holm(raw), strict=True):
        p[a, b] = value
    return Significance(metric, p, p < LEVEL)


def _one_sided(better: Floats, worse: Floats) -> float:
    """p of "the first has smaller costs" (Wilcoxon's signed-rank test); 1 where the two never differ."""
    difference = np.round(better - worse, 10)
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference, alternative="less").pvalue)
