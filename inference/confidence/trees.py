"""Boosted regression trees as plain arrays, grown elsewhere (`training.confidence`) and evaluated with NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
#: In place of a child: the node is a leaf.
LEAF = -1


@dataclass(frozen=True)
class Trees:
    """A sum of regression trees (Friedman, "Greedy function approximation", Annals of Statistics 2001;29:1189).

    Attributes:
        start: what all predictions begin with.
        feature: (T, N) int, which signal a node looks at.
        threshold: (T, N); a signal no greater than it goes left.
        left, right: (T, N) int, the node that follows; ``LEAF`` at a leaf.
        value: (T, N) what a leaf adds.
        usual: (F,) what stands for a signal that is unknown: its median where the trees were grown.
    """

    start: float
    feature: npt.NDArray[np.int64]
    threshold: Array
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: Array
    usual: Array

    def predict(self, signals: Array) -> Array:
        """(R,) of rows of signals (R, F), NaN where unknown."""
        known = np.where(np.isfinite(signals), signals, self.usual)
        rows, trees = np.arange(len(known))[:, None], np.arange(len(self.value))[None, :]
        node = np.zeros((len(known), len(self.value)), np.int64)
        # A tree has no path longer than it has nodes.
        for _ in range(self.value.shape[1]):
            inner = self.left[trees, node] != LEAF
            if not inner.any():
                break
            goes_left = known[rows, self.feature[trees, node]] <= self.threshold[trees, node]
            node = np.where(inner, np.where(goes_left, self.left[trees, node], self.right[trees, node]), node)
        return np.asarray(self.start + self.value[trees, node].sum(axis=1), np.float64)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "start": round(self.start, 6),
            "feature": self.feature.tolist(),
            "threshold": _short(self.threshold),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "value": _short(self.value),
            "usual": _short(self.usual),
        }


def trees_from(content: Mapping[str, Any], features: int) -> Trees:
    """What ``Trees.plain`` gave.

    Args:
        content: of the JSON.
        features: how many signals there are.

    Raises:
        KeyError, TypeError, ValueError: it is no such forest.
    """
    threshold, value = np.array(content["threshold"], np.float64), np.array(content["value"], np.float64)
    feature, left, right = (np.array(content[name], np.int64) for name in ("feature", "left", "right"))
    usual = np.array(content["usual"], np.float64)
    shape = value.shape
    if (
        len(shape) != 2
        or any(a.shape != shape for a in (threshold, feature, left, right))
        or usual.shape != (features,)
    ):
        raise ValueError("trees whose arrays don't fit together")
    start = float(content["start"])
    if not all(np.isfinite(a).all() for a in (threshold, value, usual, start)):
        raise ValueError("trees with numbers that are not finite")
    # Children lie behind their parents, so that no path goes round.
    own = np.arange(shape[1])
    inner = left != LEAF
    behind = (left > own) & (right > own) & (left < shape[1]) & (right < shape[1])
    if (inner & ~behind).any() or (inner & ((feature < 0) | (feature >= features))).any():
        raise ValueError("trees with a node that doesn't exist")
    return Trees(start, np.where(inner, feature, 0), threshold, left, right, value, usual)


def _short(array: Array) -> Any:
    """Seven digits, which is what the thresholds have that the trees were grown with."""
    return [_short(row) for row in array] if array.ndim > 1 else [float(f"{v:.7g}") for v in array.tolist()]
