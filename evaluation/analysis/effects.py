"""How much of a metric a factor accounts for, held against what chance makes of it.

A factor's **size** is the difference of mean SHAP values between its highest and its lowest level. Picking the
extremes makes it positive even where there is nothing, and a forest shrinks what is there, so a size means
something only beside its **null**: the sizes that appear where the factor has no effect but everything else is as it
was. The null keeps what the other factors explain (out of bag, of a forest without this one) and deals the rest out
anew (Freedman and Lane 1983), so that a factor that goes along with another gets no credit for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.analysis.factors import Factor, Floats, Integers, Levels, levels_of
from evaluation.analysis.forest import Design, ForestSettings, design_of, explain, explained_rows, grow, out_of_bag

#: Chance of calling any factor of a metric seen where none has an effect.
LEVEL = 0.05
PERMUTATIONS = 79
#: Levels with fewer cases are no extremes.
FEWEST_IN_LEVEL = 3
#: A set effect is visible if it is seen in this share of this many repetitions.
POWER, REPETITIONS = 0.8, 10
#: Set effects that are tried, in multiples of the size that counts as seen.
TRIED = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True)
class Effect:
    """One factor's share in one metric. L levels, B permutations, R explained cases.

    Attributes:
        levels: the factor's levels, and (R,) which of them each explained case is in.
        means: (L,) float64, mean SHAP value of each level; NaN where it has too few cases.
        size: highest minus lowest mean.
        null: (B,) float64, the same without an effect, in rising order.
        threshold: sizes above it count as seen.
        p: share of the null (and the size itself) that is at least as large.
        seen: p is below LEVEL shared out among the metric's factors.
        visible: smallest set effect of those tried that is seen in 4 of 5 repetitions; None: not even the largest,
            or not asked for.
    """

    factor: Factor
    levels: Levels
    means: Floats
    size: float
    null: Floats
    threshold: float
    p: float
    seen: bool
    visible: float | None = None

    def extremes(self) -> tuple[str, str]:
        """Names of the lowest and the highest level; dashes where none has enough of the cases that were explained."""
        if not np.isfinite(self.means).any():
            return "–", "–"
        return self.levels.names[int(np.nanargmin(self.means))], self.levels.names[int(np.nanargmax(self.means))]


@dataclass(frozen=True)
class EffectEstimator:
    """A metric's forest on its design: everything that a size is measured with."""

    factors: tuple[Factor, ...]
    design: Design
    levels: tuple[Levels, ...]
    rows: Integers
    settings: ForestSettings

    def shap(self, target: Floats) -> Floats:
        """(R, F) SHAP values of a forest grown on (C,) numbers."""
        return explain(grow(self.design, target, self.settings), self.design, self.rows)

    def size(self, target: Floats, factor: int) -> float:
        """A factor's size on (C,) numbers."""
        means = level_means(self.shap(target)[:, factor], self.levels[factor])
        return spread(means)


def effect_estimator(factors: Sequence[Factor], settings: ForestSettings) -> EffectEstimator:
    """Prepare what all forests of a study share."""
    rows = explained_rows(len(factors[0].values), settings.seed)
    levels = [levels_of(factor) for factor in factors]
    explained = tuple(Levels(level.names, level.member[rows]) for level in levels)
    return EffectEstimator(tuple(factors), design_of(factors), explained, rows, settings)


def level_means(values: Floats, levels: Levels) -> Floats:
    """Mean of (R,) values in each level; NaN where it has fewer than FEWEST_IN_LEVEL cases."""
    counts = np.bincount(levels.member, minlength=len(levels.names))
    sums = np.bincount(levels.member, weights=values, minlength=len(levels.names))
    return np.where(counts >= FEWEST_IN_LEVEL, sums / np.maximum(counts, 1), np.nan)


def spread(means: Floats) -> float:
    """Highest minus lowest of what is known; 0 where nothing is."""
    known = means[np.isfinite(means)]
    return float(known.max() - known.min()) if len(known) else 0.0


def effect_of(
    estimator: EffectEstimator,
    target: Floats,
    shap: Floats,
    factor: int,
    *,
    permutations: int = PERMUTATIONS,
    visible: bool = False,
) -> Effect:
    """One factor's effect on (C,) numbers, whose SHAP values are (R, F).

    Args:
        permutations: forests of the null; too few of them for a p below the level, and nothing is ever seen.
        visible: also find the smallest effect that would be seen.
    """
    dealt = dealer(estimator, target, factor)
    null = np.sort([dealt() for _ in range(permutations)])
    means = level_means(shap[:, factor], estimator.levels[factor])
    size = spread(means)
    as_large, allowed = int((null >= size).sum()), _allowed(estimator, permutations)
    threshold = float(null[-1 - allowed]) if allowed >= 0 else float("inf")
    least = smallest_visible(estimator.factors[factor], threshold, dealt, estimator.settings.seed) if visible else None
    p = (1 + as_large) / (1 + permutations)
    return Effect(
        estimator.factors[factor], estimator.levels[factor], means, size, null, threshold, p, as_large <= allowed, least
    )


def is_seen(estimator: EffectEstimator, target: Floats, factor: int, permutations: int = PERMUTATIONS) -> bool:
    """``effect_of(…).seen`` alone, which is known as soon as the null has been larger too often."""
    dealt = dealer(estimator, target, factor)
    size, left = estimator.size(target, factor), _allowed(estimator, permutations)
    for _ in range(permutations):
        if left < 0:
            return False
        left -= dealt() >= size
    return left >= 0


def dealer(estimator: EffectEstimator, target: Floats, factor: int) -> Callable[..., float]:
    """A function that gives a size of the null; (C,) numbers given to it are an effect added to what chance gives."""
    generator = np.random.default_rng([estimator.settings.seed, factor])
    others = out_of_bag(estimator.design.without(factor), target, estimator.settings)
    rest = target - others

    def dealt(extra: Floats | float = 0.0) -> float:
        return estimator.size(others + generator.permutation(rest) + extra, factor)

    return dealt


def _allowed(estimator: EffectEstimator, permutations: int) -> int:
    """How many sizes of the null may reach that of a factor which is seen; below 0 where nothing can be seen."""
    return int(LEVEL / len(estimator.factors) * (permutations + 1) + 1e-9) - 1


def smallest_visible(factor: Factor, threshold: float, dealt: Callable[..., float], seed: int) -> float | None:
    """The smallest of the effects tried that is seen in 4 of 5 repetitions; None if none is.

    Args:
        dealt: see ``dealer``.
    """
    if not 0 < threshold < np.inf:
        return None
    generator = np.random.default_rng(seed)
    misses = REPETITIONS - int(np.ceil(POWER * REPETITIONS))
    for multiple in TRIED:
        left = misses
        for _ in range(REPETITIONS):
            left -= dealt(multiple * threshold * shape(factor, generator)) <= threshold
            if left < 0:
                break
        else:
            return multiple * threshold
    return None


def shape(factor: Factor, generator: np.random.Generator) -> Floats:
    """(C,) an effect from −½ to ½: even steps between a category's names in any order, else in proportion."""
    if factor.names:
        steps = np.linspace(-0.5, 0.5, len(factor.names))
        return generator.permutation(steps)[factor.values.astype(np.int_)]
    low, high = float(factor.values.min()), float(factor.values.max())
    return (factor.values - low) / (high - low) - 0.5
