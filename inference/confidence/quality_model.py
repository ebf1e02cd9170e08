"""What signals let expect, with intervals whose coverage was measured.

``feta-train assess confidence --fit`` makes it on volumes whose truth is known. Of each kind of figure (Dice, HD95,
volume, length) boosted trees give what is expected, or how large errors are expected to be; intervals are quantiles of
the errors that were left over in cases that the trees hadn't seen (conformal prediction: Vovk, Gammerman and Shafer,
"Algorithmic learning in a random world", 2005), by group (`inference.confidence.margins`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from feta.labels import TISSUES
from feta.measurements import MEASUREMENTS
from inference.confidence.age_estimate import AgeEstimator
from inference.confidence.margins import WIDER_A_WEEK, Groups, Margins, outside
from inference.confidence.signals import CASE, LENGTH, TISSUE, Signals
from inference.confidence.trees import Trees

Array = npt.NDArray[np.float64]
#: Chance of the intervals.
CHANCE = 0.9
#: HD95 and relative errors are taken as logarithms, with this added, so that none is infinite.
HD95_LEAST_MM, ERROR_LEAST = 0.5, 0.003
#: Of an error in Dice, against what is missing from 1.
DICE_FLOOR = 0.02


class Figure(StrEnum):
    """What quality is told of."""

    DICE = "dice"
    HD95 = "hd95"
    VOLUME = "volume"
    LENGTH = "length"

    @property
    def elements(self) -> int:
        """How many a case has: lengths, or tissues."""
        return len(MEASUREMENTS) if self is Figure.LENGTH else len(TISSUES)

    @property
    def signals(self) -> int:
        """How many signals one of them has."""
        return len(CASE) + self.elements + len(LENGTH if self is Figure.LENGTH else TISSUE)


@dataclass(frozen=True)
class Expectation:
    """What is expected of a case; each (E, 3): value, low, high.

    Attributes:
        dice: of the tissues; nothing for one that was not found.
        hd95: mm; NaN likewise.
        volume: ml; NaN likewise.
        length: mm; NaN for lengths that are unknown.
        outside: weeks by which the age lies beyond those of the fit.
    """

    dice: Array
    hd95: Array
    volume: Array
    length: Array
    outside: float = 0.0


@dataclass(frozen=True)
class QualityModel:
    """What signals let expect.

    Attributes:
        trees: of each figure: Dice; ln(mm + 0.5) of the HD95; ln of the error of ln(size) for volumes and lengths.
        margins: of each figure.
        groups: by what intervals differ.
        ages: youngest and oldest of the fit, weeks.
        age: estimates the age from volumes, lengths and folding.
        centre, spread, precision: of the signals of the fit (K,), (K,), (K, K): how far a case is from them.
        cases, individuals: of the fit.
        weights: of which networks it knows the errors, as ``networks_digest`` gives it.
    """

    trees: Mapping[Figure, Trees]
    margins: Mapping[Figure, Margins]
    groups: Groups
    ages: tuple[float, float]
    age: AgeEstimator
    centre: Array
    spread: Array
    precision: Array
    cases: int
    individuals: int
    weights: str

    def expect(self, signals: Signals, lengths: Array, intervals: Array, weeks: float) -> Expectation:
        """What is expected of a case.

        Args:
            signals: of the case.
            lengths: (5,) mm, NaN where unknown.
            intervals: (5, 2) mm, as the fusion of sources gave them, whose lopsidedness is kept.
            weeks: age, given or estimated; NaN where neither is known.
        """
        of_tissues, of_lengths = signals.of_tissues(), signals.of_lengths()
        dice = np.clip(self.trees[Figure.DICE].predict(of_tissues), 0.0, 1.0)
        beyond = outside(weeks, self.ages)
        wider, ventricles = 1 + WIDER_A_WEEK * beyond, signals.case.get("ventricles", float("nan"))

        def margins(figure: Figure) -> tuple[Array, Array]:
            # Of an unknown age the widest of the thirds.
            ages = (*self.groups.weeks, np.inf) if np.isnan(weeks) else (weeks,)
            groups = (self.groups.indicators(figure.elements, age, float(dice.mean()), ventricles) for age in ages)
            low, high = np.max([self.margins[figure].of(group) for group in groups], axis=0)
            return low * wider, high * wider

        below, above = margins(Figure.DICE)
        unit = DICE_FLOOR + 1 - dice
        found_dice = np.stack([dice, np.maximum(dice - below * unit, 0), np.minimum(dice + above * unit, 1)], axis=1)
        log_hd = self.trees[Figure.HD95].predict(of_tissues)
        below, above = margins(Figure.HD95)
        hd95 = np.maximum(np.exp(np.stack([log_hd, log_hd - below, log_hd + above], axis=1)) - HD95_LEAST_MM, 0.0)
        width = np.exp(self.trees[Figure.VOLUME].predict(of_tissues)) * margins(Figure.VOLUME)[1]
        volume = signals.volumes[:, None] * np.exp(width[:, None] * [0.0, -1.0, 1.0])
        # Of a tissue that was not found no voxel is right, nobody knows how far off it is, nor how large it is.
        absent = signals.volumes <= 0
        found_dice[absent], hd95[absent], volume[absent] = 0.0, np.nan, np.nan
        width = np.exp(self.trees[Figure.LENGTH].predict(of_lengths)) * margins(Figure.LENGTH)[1]
        return Expectation(found_dice, hd95, volume, around(lengths, intervals, width), beyond)

    def distance(self, signals: Signals) -> float:
        """How far a case's signals are from those of the fit: root mean square Mahalanobis distance, 1 on average."""
        off = (signals.of_case() - self.centre) / self.spread
        off = np.clip(np.where(np.isfinite(off), off, 0.0), -10.0, 10.0)
        return float(np.sqrt(max(float(off @ self.precision @ off), 0.0) / len(off)))


def around(values: Array, intervals: Array, width: Array) -> Array:
    """(N, 3) values with intervals whose half widths in ln are given, as lopsided as the intervals they replace.

    Args:
        values: (N,), NaN where unknown.
        intervals: (N, 2); NaN where there is none.
        width: (N,) half widths of ln.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = np.abs(np.log(intervals / values[:, None]))
        share = sides / sides.mean(axis=1, keepdims=True)
    share = np.where(np.isfinite(share), np.clip(share, 0.5, 1.5), 1.0)
    steps = np.stack([np.zeros(len(values)), -width * share[:, 0], width * share[:, 1]], axis=1)
    return np.asarray(values[:, None] * np.exp(steps))
