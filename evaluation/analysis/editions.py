"""Two editions of a challenge on the cases that both scored: has anything become better?

The challenge's paper compares 2021, 2022 and 2024 on one site and finds no progress. Two leaderboards of different
cases can't be compared, so only shared cases count, each with itself (Wilcoxon's signed-rank test, two-sided).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, wilcoxon

from evaluation.analysis.hd95_tools import comparable, hd95_warnings
from evaluation.analysis.results_folder import Floats, Scores
from evaluation.ranking.stability import BOOTSTRAPS, LEVEL, holm
from evaluation.scoring.score_table import HIGHER_IS_BETTER, RANKED_METRICS, SEGMENTATION_METRICS, CaseInfo
from feta.errors import FetaError

#: Fewer shared cases can't tell anything: with five pairs the smallest p is 0.06.
FEWEST_SHARED = 6
BEST = 3
ALL_TEAMS, BEST_TEAMS, WINNER = "all teams", f"best {BEST} teams", "winner"


@dataclass(frozen=True)
class Comparison:
    """One metric of one selection of teams on N shared cases; differences are B − A, turned so that positive is better.

    Attributes:
        first, second: means of A and B in the metric's own unit; MAPE as on the leaderboard, over all lengths of all
            cases, so that a case counts by its number of lengths.
        gain: (N,) float64, each case's improvement.
        mean_gain: of all cases, each counted as in ``first`` and ``second``.
        low, high: 95 % of the mean improvement's bootstrap.
        rank_biserial: matched pairs, from −1 (all worse) to 1 (all better).
        p: Wilcoxon signed-rank, two-sided, corrected by Holm over all comparisons.
    """

    selection: str
    metric: str
    first: float
    second: float
    gain: Floats
    mean_gain: float
    low: float
    high: float
    rank_biserial: float
    p: float

    @property
    def verdict(self) -> str:
        """In a word, at LEVEL."""
        if self.p >= LEVEL:
            return "no difference shown"
        return "better" if self.mean_gain > 0 else "worse"


@dataclass(frozen=True)
class Editions:
    """Everything that the page shows.

    Attributes:
        names: of A and B.
        cases: the shared cases.
        only: how many cases A and B have for themselves.
        teams: names that stand on both leaderboards.
        comparisons: selections × metrics.
    """

    names: tuple[str, str]
    cases: tuple[CaseInfo, ...]
    only: tuple[int, int]
    teams: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]


def compare_editions(
    first: Scores, second: Scores, names: tuple[str, str], *, site: str | None = None, seed: int = 0
) -> Editions:
    """Compare two results on the cases that both have, or on one site's of them.

    Raises:
        FetaError: they share too few cases.
    """
    pairs, warnings = _shared(first, second, site)
    if len(pairs) < FEWEST_SHARED:
        where = f" of site {site}" if site else ""
        raise FetaError(
            f"{names[0]} and {names[1]}", f"share {len(pairs)} cases{where}", f"at least {FEWEST_SHARED} are needed"
        )
    if first.euler != second.euler:
        warnings.append(f"ED: {names[0]} against the {first.euler}, {names[1]} against the {second.euler}: left out")
    if first.policy != second.policy:
        warnings.append(
            "the penalties of the two were not the same: a gain can come from them; score one of them again"
        )
    warnings += hd95_warnings(first, second, names)
    left_out = {"ed"} if first.euler != second.euler else set()
    if not comparable(first, second):
        left_out.add("hd95")
    teams = tuple(team for team in first.teams if team in second.teams)
    a, b = (np.array(index) for index in zip(*pairs, strict=True))
    rows = [
        (selection, metric, *values)
        for selection, chosen in _selections(teams, max(len(first.teams), len(second.teams))).items()
        for metric in (*RANKED_METRICS, "mape")
        if metric not in left_out
        if (values := _paired(first, second, a, b, metric, chosen)) is not None
    ]
    raw = np.array([_wilcoxon(_gain(metric, one, two)) for _, metric, one, two, _ in rows])
    generator = np.random.default_rng(seed)
    comparisons = tuple(
        _comparison(selection, metric, one, two, counts, float(p), generator)
        for (selection, metric, one, two, counts), p in zip(rows, holm(raw), strict=True)
    )
    cases = tuple(first.cases[i] for i in a)
    only = (len(first.cases) - len(pairs), len(second.cases) - len(pairs))
    return Editions(names, cases, only, teams, comparisons, tuple(warnings))


def _shared(first: Scores, second: Scores, site: str | None) -> tuple[list[tuple[int, int]], list[str]]:
    """Places of the shared cases in both; a name that means another site elsewhere is another case."""
    place = {case.name: i for i, case in enumerate(second.cases)}
    both = [(i, place[case.name]) for i, case in enumerate(first.cases) if case.name in place]
    same = [(i, j) for i, j in both if first.cases[i].site == second.cases[j].site]
    warnings = [f"{len(both) - len(same)} cases have one name and two sites: left out"] if len(same) < len(both) else []
    return [(i, j) for i, j in same if site is None or first.cases[i].site == site], warnings


#: Which teams of an edition a selection means, for a task's leaderboard; indices.
Chosen = Callable[[Scores, str], list[int]]


def _selections(shared: tuple[str, ...], most: int) -> dict[str, Chosen]:
    """Selections that differ where an edition has ``most`` teams."""
    selections: dict[str, Chosen] = {ALL_TEAMS: lambda scores, task: list(range(len(scores.teams)))}
    if most > BEST:
        selections[BEST_TEAMS] = lambda scores, task: _best(scores, task, BEST)
    if most > 1:
        selections[WINNER] = lambda scores, task: _best(scores, task, 1)
    for team in shared:
        selections[f"team {team}"] = lambda scores, task, team=team: [scores.teams.index(team)]  # type: ignore[misc]
    return selections


def _best(scores: Scores, task: str, count: int) -> list[int]:
    """The first teams of a leaderboard, by name where they tie; none where the task was not ranked."""
    places = scores.places[task]
    ranked = sorted((t for t in scores.teams if t in places), key=lambda t: (places[t], t.casefold(), t))
    return [scores.teams.index(team) for team in ranked[:count]]


def _paired(
    first: Scores, second: Scores, a: np.ndarray, b: np.ndarray, metric: str, chosen: Chosen
) -> tuple[Floats, Floats, Floats] | None:
    """(N,) each: means over the chosen teams, and over tissues or lengths, penalties included; and how often each case
    counts, by its number of lengths or labels that both have. None if absent."""
    task = "biometry" if metric == "mape" else "segmentation"
    values = [_values(scores, index, metric, chosen(scores, task)) for scores, index in ((first, a), (second, b))]
    # Of a length that only one edition knows the truth of, nothing can be compared.
    if not all(map(len, values)):
        return None
    known = np.asarray(np.isfinite(values[0]).any(axis=0) & np.isfinite(values[1]).any(axis=0))
    both = np.asarray(known.any(axis=1))
    if both.sum() < FEWEST_SHARED:
        return None
    one, two = (np.moveaxis(np.where(known, v, np.nan), 1, 0)[both].reshape(int(both.sum()), -1) for v in values)
    return np.nanmean(one, axis=1), np.nanmean(two, axis=1), known.sum(axis=1)[both].astype(np.float64)


def _values(scores: Scores, index: np.ndarray, metric: str, teams: list[int]) -> Floats:
    """(T, N, 7 or 5) of the chosen teams on the shared cases."""
    if metric == "mape":
        return scores.length_errors[teams][:, index]
    return scores.values[teams][:, index][..., SEGMENTATION_METRICS.index(metric)]


def _gain(metric: str, first: Floats, second: Floats) -> Floats:
    return second - first if metric in HIGHER_IS_BETTER else first - second


def _comparison(
    selection: str,
    metric: str,
    first: Floats,
    second: Floats,
    counts: Floats,
    p: float,
    generator: np.random.Generator,
) -> Comparison:
    gain = _gain(metric, first, second)
    drawn = generator.integers(0, len(gain), (BOOTSTRAPS, len(gain)))
    samples = _pooled(gain[drawn], counts[drawn])
    low, high = (float(v) for v in np.percentile(samples, [2.5, 97.5]))
    one, two, mean_gain = (float(_pooled(values, counts)) for values in (first, second, gain))
    return Comparison(selection, metric, one, two, gain, mean_gain, low, high, rank_biserial(gain), p)


def _pooled(values: Floats, counts: Floats) -> Floats:
    """Mean along the last axis in which each case counts as often as it has values; plain where all have as many."""
    if (counts == counts.flat[0]).all():
        return values.mean(axis=-1)
    return (values * counts).sum(axis=-1) / counts.sum(axis=-1)


def rank_biserial(gain: Floats) -> float:
    """(Ranks of the gains − ranks of the losses) / all ranks, ties of size shared; 0 where nothing differs.

    Kerby 2014, "The simple difference formula".
    """
    moved = np.round(gain, 10)
    moved = moved[moved != 0]
    ranks = rankdata(np.abs(moved))
    return float((np.sign(moved) * ranks).sum() / ranks.sum()) if len(moved) else 0.0


def _wilcoxon(gain: Floats) -> float:
    moved = np.round(gain, 10)
    return float(wilcoxon(moved).pvalue) if moved.any() else 1.0
