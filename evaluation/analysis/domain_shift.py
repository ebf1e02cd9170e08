"""The whole analysis of a study: a forest for each metric, each factor's share, and quality against Dice by site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import pearsonr

from evaluation.analysis.effects import PERMUTATIONS, Effect, EffectEstimator, effect_estimator, effect_of
from evaluation.analysis.factors import QUALITY, Floats
from evaluation.analysis.forest import ForestSettings, cross_validated_r2
from evaluation.analysis.study import FEWEST_CASES, Study
from evaluation.ranking.groups import EVERYWHERE
from evaluation.report.style import METRIC_TITLES
from feta.errors import FetaError

#: At or below this share of explained variance, the forest explains nothing.
NOTHING_EXPLAINED = 0.05
#: Fewer cases give no correlation.
FEWEST_FOR_CORRELATION = 5


@dataclass(frozen=True)
class Shift:
    """One metric. R explained cases, F factors.

    Attributes:
        metric: "dice", …, "mape".
        cases: how many cases had a value.
        r2: of unseen cases.
        estimator: the forest's design; ``estimator.rows`` are the explained cases among those with a value.
        shap: (R, F) float64.
        effects: one for each factor, in the design's order.
    """

    metric: str
    cases: int
    r2: float
    estimator: EffectEstimator
    shap: Floats
    effects: tuple[Effect, ...]

    @property
    def explains_nothing(self) -> bool:
        return self.r2 <= NOTHING_EXPLAINED


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of quality and Dice over a site's cases, with its 95 % interval (Fisher's z) and p."""

    site: str
    cases: int
    r: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Analysis:
    """Everything that the report shows."""

    study: Study
    shifts: tuple[Shift, ...]
    correlations: tuple[Correlation, ...]
    settings: ForestSettings
    permutations: int
    warnings: tuple[str, ...]


def analyse(
    study: Study,
    settings: ForestSettings,
    *,
    permutations: int = PERMUTATIONS,
    visible: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Analysis:
    """Explain every metric of a study.

    Args:
        permutations: forests of each null.
        visible: also find the smallest effects that would be seen (about as long again).
        progress: called with the number of factors done, over all metrics, and of all.

    Raises:
        FetaError: there is no metric to explain.
    """
    metrics = [m for m, values in study.targets.items() if _enough(values)]
    if not metrics:
        said = f"no metric differs and was measured on {FEWEST_CASES} cases or more"
        raise FetaError("analyse", said, "there is nothing to explain")
    total, done = len(metrics) * len(study.factors), 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    progress(0, total)
    shifts = [_shift(study, metric, settings, permutations, visible, tick) for metric in metrics]
    return Analysis(
        study, tuple(shifts), quality_by_site(study), settings, permutations, (*study.warnings, *_messages(shifts))
    )


def quality_by_site(study: Study) -> tuple[Correlation, ...]:
    """Of all cases, then by site; without sites of too few cases, or where either never differs."""
    factor = next((f for f in study.factors if f.name == QUALITY), None)
    if factor is None or "dice" not in study.targets:
        return ()
    sites = np.array([case.site for case in study.cases])
    groups = [(EVERYWHERE, np.ones(len(sites), dtype=bool)), *((s, sites == s) for s in sorted(set(sites.tolist())))]
    dice = study.targets["dice"]
    found = [_correlation(name, factor.values[m], dice[m]) for name, m in groups]
    return tuple(c for c in found if c is not None)


def _correlation(site: str, quality: Floats, dice: Floats) -> Correlation | None:
    known = np.isfinite(dice)
    if known.sum() < FEWEST_FOR_CORRELATION or np.ptp(quality[known]) == 0 or np.ptp(dice[known]) == 0:
        return None
    result = pearsonr(quality[known], dice[known])
    low, high = result.confidence_interval(0.95)
    return Correlation(site, int(known.sum()), float(result.statistic), float(low), float(high), float(result.pvalue))


def _enough(values: Floats) -> bool:
    known = np.isfinite(values)
    return bool(known.sum() >= FEWEST_CASES and np.ptp(values[known]) > 0)


def _shift(
    study: Study,
    metric: str,
    settings: ForestSettings,
    permutations: int,
    visible: bool,
    tick: Callable[[], None],
) -> Shift:
    known = np.isfinite(study.targets[metric])
    target = study.targets[metric][known]
    estimator = effect_estimator([factor.at(known) for factor in study.factors], settings)
    subjects = [case.subject for case, keep in zip(study.cases, known, strict=True) if keep]
    shap = estimator.shap(target)
    effects = []
    for k in range(len(estimator.factors)):
        effects.append(effect_of(estimator, target, shap, k, permutations=permutations, visible=visible))
        tick()
    r2 = cross_validated_r2(estimator.design, target, subjects, settings)
    return Shift(metric, int(known.sum()), r2, estimator, shap, tuple(effects))


def _messages(shifts: Sequence[Shift]) -> list[str]:
    return [
        f"{METRIC_TITLES[s.metric]}: the forest explains nothing of cases it has not seen (R² {s.r2:.2f}): "
        "its SHAP values are no findings"
        for s in shifts
        if s.explains_nothing
    ]
