"""Grow boosted trees with scikit-learn, as the plain arrays that the submission evaluates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingRegressor

from inference.confidence.trees import LEAF, Trees

Array = npt.NDArray[np.float64]
#: Few, shallow and drawn from parts of the rows, since a few hundred volumes are not many.
TREES, DEPTH, RATE, PART, LEAST_ROWS = 150, 3, 0.05, 0.5, 12


def grow(signals: Array, target: Array, seed: int = 0) -> Trees:
    """Fit a target on signals.

    Args:
        signals: (R, F), NaN where unknown.
        target: (R,).
        seed: of the parts that are drawn.
    """
    usual = np.zeros(signals.shape[1])
    for column in range(signals.shape[1]):
        known = signals[np.isfinite(signals[:, column]), column]
        usual[column] = np.median(known) if len(known) else 0.0
    # scikit-learn compares in single precision; so do thresholds that lie halfway between two values.
    known = np.where(np.isfinite(signals), signals, usual).astype(np.float32)
    model = GradientBoostingRegressor(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, subsample=PART, min_samples_leaf=LEAST_ROWS,
        max_features=0.5, random_state=seed,
    )  # fmt: skip
    model.fit(known, target)
    return as_arrays(model, usual)


def as_arrays(model: GradientBoostingRegressor, usual: Array) -> Trees:
    """The trees of a fitted model; all padded to as many nodes as the largest has."""
    grown = [stage[0].tree_ for stage in model.estimators_]
    nodes = max(tree.node_count for tree in grown)

    def padded(name: str, fill: float) -> npt.NDArray:
        rows = [np.ravel(getattr(tree, name)) for tree in grown]
        return np.array([np.pad(row, (0, nodes - len(row)), constant_values=fill) for row in rows])

    left = padded("children_left", LEAF).astype(np.int64)
    inner = left != LEAF
    return Trees(
        start=float(np.ravel(model.init_.constant_)[0]),
        feature=np.where(inner, padded("feature", 0), 0).astype(np.int64),
        threshold=np.where(inner, padded("threshold", 0.0), 0.0).astype(np.float64),
        left=left,
        right=padded("children_right", LEAF).astype(np.int64),
        value=model.learning_rate * padded("value", 0.0).astype(np.float64),
        usual=usual,
    )
