"""Random forests, their SHAP values by factor, and how much they explain of cases they have not seen.

As the challenge's paper has it (Zalevskyi et al. 2025, "Advances in Automated Fetal Brain MRI Segmentation and
Biometry: Insights from the FeTA 2024 Challenge"); SHAP: Lundberg et al. 2020, "From local explanations to global
understanding with explainable AI for trees". scikit-learn and shap are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.analysis.factors import Factor, Floats, Integers

FOLDS = 5
#: SHAP values of more cases than these would make a figure no better, and minutes longer.
EXPLAINED = 250
FEWEST_TREES = 50


@dataclass(frozen=True)
class ForestSettings:
    """How a forest grows; the bounds on a tree's size keep SHAP fast and noise out of the leaves."""

    trees: int = 50
    smallest_leaf: int = 5
    most_leaves: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trees < FEWEST_TREES:  # with fewer, a case can be in every tree's sample
            raise ValueError(f"{self.trees} trees are too few, at least {FEWEST_TREES}")


@dataclass(frozen=True)
class Design:
    """Factors as a matrix.

    Attributes:
        matrix: (C, K) float64.
        owner: (K,) which factor a column belongs to.
    """

    matrix: Floats
    owner: Integers

    def without(self, factor: int) -> Design:
        """The design of all other factors."""
        keep = self.owner != factor
        return Design(self.matrix[:, keep], self.owner[keep])


def design_of(factors: Sequence[Factor]) -> Design:
    """The factors' columns side by side."""
    blocks = [factor.columns() for factor in factors]
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    return Design(np.concatenate(blocks, axis=1), owner)


def grow(design: Design, target: Floats, settings: ForestSettings, *, out_of_bag: bool = False) -> Any:
    """A fitted scikit-learn forest; every split may use every column."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        settings.trees,
        min_samples_leaf=settings.smallest_leaf,
        max_leaf_nodes=settings.most_leaves,
        random_state=settings.seed,
        oob_score=out_of_bag,
        n_jobs=1,
    )
    return forest.fit(design.matrix, target)


def explain(forest: Any, design: Design, rows: Integers) -> Floats:
    """(rows, factors) SHAP values; those of a category's columns add up to the category's."""
    import shap

    values = np.asarray(shap.TreeExplainer(forest).shap_values(design.matrix[rows]), dtype=np.float64)
    factors = int(design.owner.max()) + 1
    return np.stack([values[:, design.owner == k].sum(axis=1) for k in range(factors)], axis=1)


def explained_rows(cases: int, seed: int) -> Integers:
    """Which cases get SHAP values: all, or EXPLAINED of them drawn at random, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(cases)[:EXPLAINED])


def out_of_bag(design: Design, target: Floats, settings: ForestSettings) -> Floats:
    """(C,) each case's prediction by the trees that have not seen it; the mean where there is no column."""
    if design.matrix.shape[1] == 0:
        return np.full(len(target), target.mean())
    return np.asarray(grow(design, target, settings, out_of_bag=True).oob_prediction_, dtype=np.float64)


def cross_validated_r2(design: Design, target: Floats, subjects: Sequence[str], settings: ForestSettings) -> float:
    """1 − (squared error of unseen cases) / (squared error of the mean), a subject's cases in one fold.

    0 where there is but one subject: nothing of it is unseen.
    """
    if len(set(subjects)) < 2:
        return 0.0
    from sklearn.model_selection import GroupKFold

    predicted = np.empty(len(target))
    folds = GroupKFold(min(FOLDS, len(set(subjects))), shuffle=True, random_state=settings.seed)
    for seen, unseen in folds.split(design.matrix, groups=np.asarray(subjects)):
        part = Design(design.matrix[seen], design.owner)
        predicted[unseen] = grow(part, target[seen], settings).predict(design.matrix[unseen])
    spread = float(((target - target.mean()) ** 2).sum())
    return 1 - float(((target - predicted) ** 2).sum()) / spread if spread > 0 else 0.0
